/**
 * The kernel's table of connections. A packet of a connection that is in it is treated as the
 * first one was, whatever the rules say by now: new rules need old entries removed.
 *
 * @module
 */
import type { IpAddress } from "../ip/address.ts";
import {
  CONNECTION,
  type ConnectionMessage,
  CT_DELETE,
  CT_GET,
  CTA_FILTER_PROTO_DST_PORT,
  CTA_FILTER_PROTO_NUM,
} from "../netlink/conntrack.ts";
import { familyOf } from "../rtnl/family.ts";
import { NetlinkError } from "../nl/error.ts";
import type { NetlinkSocket } from "../nl/socket.ts";
import { netfilter } from "../nl/netfilter.ts";

/** `netinet/in.h` */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;
/** Protocols that have ports. */
export type PortProtocol = keyof typeof PROTOCOL_NUMBERS;

/** A connection, by the addresses that its first packet had and by who answers it. */
export interface Connection {
  destination: IpAddress;
  /** The answers' source: differs from `destination` where that was translated. */
  answeredBy: IpAddress;
  /** The answers' source port. */
  answeringPort?: number;
}

/** Which connections to look at: `conntrack -L -f FAMILY -p PROTOCOL --orig-port-dst PORT`. */
export interface ConnectionFilter {
  family: 4 | 6;
  protocol: PortProtocol;
  /** The port that the first packet was sent to. */
  port: number;
}

/**
 * Removes those connections that `stale` says are: `conntrack -D …`.
 * @returns how many
 * @throws {NetlinkError} EPERM without CAP_NET_ADMIN
 */
export function removeConnections(
  { family, protocol, port }: ConnectionFilter,
  stale: (connection: Connection) => boolean,
): number {
  const socket = netfilter();
  const number = PROTOCOL_NUMBERS[protocol];
  const wanted = { protocol: { number, destinationPort: port } };
  const found = socket.dump({
    type: CT_GET,
    payload: CONNECTION.encode({
      family: familyOf(family),
      original: wanted,
      filter: { original: CTA_FILTER_PROTO_NUM | CTA_FILTER_PROTO_DST_PORT },
    }),
    purpose: `list the connections to ${protocol} port ${port}`,
  });
  const entries = found.map((answer) => CONNECTION.decode(answer)).filter((entry) => {
    const { original } = entry;
    if (original?.protocol?.number !== number) return false;
    if (original.protocol.destinationPort !== port) return false;
    const connection = fromMessage(entry);
    return connection !== undefined && stale(connection);
  });
  return entries.filter((entry) => remove(socket, family, entry)).length;
}

function fromMessage({ original, reply }: ConnectionMessage): Connection | undefined {
  const destination = original?.ip?.destination4 ?? original?.ip?.destination6;
  const answeredBy = reply?.ip?.source4 ?? reply?.ip?.source6;
  const answeringPort = reply?.protocol?.sourcePort;
  return destination && answeredBy && { destination, answeredBy, answeringPort };
}

/** By its original tuple, and its identity lest a new connection with the same tuple be hit. */
function remove(socket: NetlinkSocket, family: 4 | 6, entry: ConnectionMessage): boolean {
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
