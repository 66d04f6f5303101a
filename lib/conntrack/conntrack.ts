/**
 * The kernel's connection tracking table. Packets of a connection in it are translated as its first
 * packet was, whatever the rules say by now: new rules take effect once old entries are removed.
 *
 * @module
 */
import type { IpAddress } from "../ip/address.ts";
import { type PortProtocol, PROTOCOL_NUMBERS } from "../ip/port_protocol.ts";
import {
  CONNECTION,
  type ConnectionMessage,
  CT_DELETE,
  CT_GET,
  CTA_FILTER_PROTO_DST_PORT,
  CTA_FILTER_PROTO_NUM,
  DESTINATION_PORT,
} from "../netlink/conntrack.ts";
import { readAnswers } from "../nl/answers.ts";
import { NetlinkError } from "../nl/error.ts";
import { netfilter } from "../nl/netfilter.ts";
import type { NetlinkSocket } from "../nl/socket.ts";
import { familyOf } from "../rtnl/family.ts";

/** A connection: the addresses of its first packet, and the source of the answers. */
export interface Connection {
  destination: IpAddress;
  /** The answers' source: differs from `destination` where that was translated. */
  answeredBy: IpAddress;
  /** The answers' source port. */
  answeringPort?: number;
}

/** Selects connections for removal. */
export interface StaleConnections {
  family: 4 | 6;
  protocol: PortProtocol;
  /** The port that the first packet was sent to. */
  port: number;
  /** Whether such a connection is to be removed. */
  isStale(connection: Connection): boolean;
}

/** The methods of a netlink socket that are used. */
type Socket = Pick<NetlinkSocket, "dump" | "request">;

/**
 * Removes connections: `conntrack -D -f FAMILY -p PROTOCOL --orig-port-dst PORT …` for each of
 * `wanted`. The table is read once for each family and protocol, however many ports there are.
 * @param socket the calling thread's namespace's own when absent
 * @returns how many were removed
 * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
 */
export function removeConnections(
  wanted: readonly StaleConnections[],
  socket: Socket = netfilter(),
): number {
  const tables = Map.groupBy(wanted, ({ family, protocol }) => `${protocol} over IPv${family}`);
  let removed = 0;
  for (const [name, table] of tables) {
    const { family, protocol } = table[0]!;
    const byPort = Map.groupBy(table, ({ port }) => port);
    for (const entry of list(socket, name, family, protocol, [...byPort.keys()])) {
      const connection = fromMessage(entry);
      const port = entry.original?.protocol?.destinationPort ?? 0;
      if (!connection || !byPort.get(port)?.some((each) => each.isStale(connection))) continue;
      if (remove(socket, family, entry)) removed++;
    }
  }
  return removed;
}

/** Lists the connections to any of `ports`. */
function list(
  socket: Socket,
  name: string,
  family: 4 | 6,
  protocol: PortProtocol,
  ports: readonly number[],
): ConnectionMessage[] {
  const number = PROTOCOL_NUMBERS[protocol];
  const [port] = ports;
  // The kernel filters by one port, or not at all.
  const filter = ports.length === 1
    ? { original: { protocol: { number, destinationPort: port } }, flags: PORT_FILTER }
    : { original: { protocol: { number } }, flags: CTA_FILTER_PROTO_NUM };
  const purpose = `list the connections of ${name}`;
  const answers = socket.dump({
    type: CT_GET,
    payload: CONNECTION.encode({
      family: familyOf(family),
      original: filter.original,
      filter: { original: filter.flags },
    }),
    purpose,
  });
  const known = new Set(ports);
  const ofPorts = answers.filter((answer) => {
    const found = DESTINATION_PORT.decode(answer).original?.protocol;
    return found?.number === number && known.has(found.destinationPort ?? 0);
  });
  return readAnswers(ofPorts, purpose, CONNECTION.decode);
}

const PORT_FILTER = CTA_FILTER_PROTO_NUM | CTA_FILTER_PROTO_DST_PORT;

function fromMessage({ original, reply }: ConnectionMessage): Connection | undefined {
  const destination = original?.ip?.destination4 ?? original?.ip?.destination6;
  const answeredBy = reply?.ip?.source4 ?? reply?.ip?.source6;
  const answeringPort = reply?.protocol?.sourcePort;
  return destination && answeredBy && { destination, answeredBy, answeringPort };
}

/** Deletes an entry by its original tuple and its ID: a new connection may have the same tuple. */
function remove(socket: Socket, family: 4 | 6, entry: ConnectionMessage): boolean {
  const { original, id, zone } = entry;
  try {
    socket.request({
      type: CT_DELETE,
      payload: CONNECTION.encode({ family: familyOf(family), original, id, zone }),
      purpose: "remove a stale connection",
    });
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ENOENT") return false; // it has ended
    throw error;
  }
}
