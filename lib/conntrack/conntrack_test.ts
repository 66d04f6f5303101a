import { assertEquals } from "@std/assert";
import { IpAddress } from "../ip/address.ts";
import { PROTOCOL_NUMBERS } from "../ip/port_protocol.ts";
import { CONNECTION, CT_DELETE } from "../netlink/conntrack.ts";
import type { NetlinkRequest } from "../nl/socket.ts";
import { AF_INET, AF_INET6 } from "../libc/sockaddr.ts";
import { removeConnections, type StaleConnections } from "./conntrack.ts";

const HOST = IpAddress.parse("192.0.2.1");

/** A table of connections to the host's ports, each answered by the host itself. */
class Table {
  /** What was asked for by dumps: family, protocol and port. */
  dumps: unknown[][] = [];
  /** Ports of connections that were removed. */
  removed: number[] = [];

  constructor(private readonly ports: readonly number[]) {}

  dump({ payload }: NetlinkRequest): Uint8Array[] {
    const { family, original } = CONNECTION.decode(payload);
    const { number, destinationPort } = original!.protocol!;
    this.dumps.push([family, number, destinationPort]);
    return this.ports.map((port) =>
      CONNECTION.encode({
        family,
        original: { ip: { destination4: HOST }, protocol: { number, destinationPort: port } },
        reply: { ip: { source4: HOST }, protocol: { number, sourcePort: port } },
      })
    );
  }

  request({ type, payload }: NetlinkRequest): Uint8Array[] {
    assertEquals(type, CT_DELETE);
    this.removed.push(CONNECTION.decode(payload).original!.protocol!.destinationPort!);
    return [];
  }
}

const stale = (
  port: number,
  protocol: StaleConnections["protocol"] = "udp",
  family: 4 | 6 = 4,
) => ({ family, protocol, port, isStale: () => true });
const { udp, sctp } = PROTOCOL_NUMBERS;

Deno.test("removeConnections() reads the table once for each family and protocol", () => {
  const table = new Table([1, 2, 3, 4]);
  const wanted = [stale(1), stale(2), stale(2), stale(5), stale(1, "sctp"), stale(3, "udp", 6)];
  assertEquals(removeConnections(wanted, table), 4);
  assertEquals(table.dumps, [
    [AF_INET, udp, undefined],
    [AF_INET, sctp, 1], // The kernel can filter by one port.
    [AF_INET6, udp, 3],
  ]);
  assertEquals(table.removed, [1, 2, 1, 3]);
});

Deno.test("removeConnections() removes what any of a port's conditions says is stale", () => {
  const table = new Table([1, 2, 3]);
  const fresh = (port: number) => ({ ...stale(port), isStale: () => false });
  assertEquals(removeConnections([fresh(1), stale(1), fresh(2), stale(3)], table), 2);
  assertEquals(table.removed, [1, 3]);
});

Deno.test("removeConnections() asks for nothing where nothing is wanted", () => {
  const table = new Table([1]);
  assertEquals([removeConnections([], table), table.dumps], [0, []]);
});
