/**
 * ICMP and ICMPv6 echo (RFC 792, RFC 4443), because a minimal system has no `ping`.
 *
 * @module
 */
import { IpAddress } from "../../lib/ip/address.ts";
import { inetAddress } from "../../lib/libc/sockaddr.ts";
import { SOCK_RAW, Socket } from "../../lib/libc/socket.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { familyOf } from "../../lib/rtnl/family.ts";

const PROTOCOL = { 4: 1, 6: 58 } as const;
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const ECHO_REPLY = { 4: 0, 6: 129 } as const;

/**
 * Sends echo requests from a namespace until one is answered: `ping -c1 TARGET`.
 * @param attempts how many to send, `intervalMs` apart
 * @returns the round-trip time in milliseconds; undefined when nobody answered
 */
export function ping(
  from: NetNs,
  target: string,
  { attempts = 5, intervalMs = 400 } = {},
): number | undefined {
  const address = IpAddress.parse(target);
  const [domain, protocol] = [familyOf(address.family), PROTOCOL[address.family]];
  using socket = from.run(() => Socket.open(domain, SOCK_RAW, protocol));
  const to = inetAddress(address, 0);
  const identifier = crypto.getRandomValues(new Uint16Array(1))[0]!;
  for (let sequence = 1; sequence <= attempts; sequence++) {
    const request = echoRequest(address.family, identifier, sequence);
    const start = performance.now();
    try {
      socket.send(request, to);
    } catch {
      // No route, or the address is still tentative: the next attempt may do better.
    }
    if (answered(socket, address.family, identifier, start + intervalMs)) {
      return performance.now() - start;
    }
  }
  return undefined;
}

/** Whether the reply to one of our requests comes before `deadline`. */
function answered(
  socket: Socket,
  family: 4 | 6,
  identifier: number,
  deadline: number,
): boolean {
  for (;;) {
    const left = Math.ceil(deadline - performance.now());
    if (left <= 0) return false;
    if (!socket.waitSync(left)) continue;
    const packet = socket.receive()?.data ?? new Uint8Array();
    // A raw IPv4 socket delivers the IP header too, an IPv6 one does not.
    const icmp = packet.subarray(family === 4 ? (packet[0]! & 15) * 4 : 0);
    const id = icmp[4]! << 8 | icmp[5]!;
    if (icmp[0] === ECHO_REPLY[family] && id === identifier) return true;
  }
}

function echoRequest(
  family: 4 | 6,
  identifier: number,
  sequence: number,
): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(16);
  const view = new DataView(packet.buffer);
  packet[0] = ECHO_REQUEST[family];
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  // The kernel fills in ICMPv6's checksum, which covers addresses we do not know.
  if (family === 4) view.setUint16(2, checksum(packet));
  return packet;
}

/** Computes the Internet checksum. RFC 1071 */
function checksum(packet: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < packet.length; i += 2) sum += packet[i]! << 8 | packet[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
