/**
 * An IPv6 router that advertises whatever a test tells it to. It shares no code with what hears it
 * but sockets.
 *
 * @module
 */
import { IpAddress } from "../../lib/ip/address.ts";
import { AF_INET6, inetAddress } from "../../lib/libc/sockaddr.ts";
import { SOCK_RAW, Socket } from "../../lib/libc/socket.ts";
import type { NetNs } from "../../lib/ns/netns.ts";

const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_MULTICAST_HOPS = 18;

/** What a router advertises; lifetimes in seconds. */
export interface Advertised {
  lifetime?: number;
  managed?: boolean;
  prefixes?: { prefix: string; valid: number; preferred: number; autonomous?: boolean }[];
}

/** Sends an advertisement to all nodes on the link of an interface. */
export function advertise(
  netns: NetNs,
  interfaceIndex: number,
  { lifetime = 1800, managed = false, prefixes = [] }: Advertised,
): void {
  const u32 = (value: number) => [value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255];
  const message = Uint8Array.of(
    ...[134, 0, 0, 0, 64, managed ? 0x80 : 0, lifetime >> 8, lifetime & 255, ...u32(0), ...u32(0)],
    ...prefixes.flatMap(({ prefix, valid, preferred, autonomous = true }) => [
      ...[3, 4, 64, 0x80 | (autonomous ? 0x40 : 0), ...u32(valid), ...u32(preferred), ...u32(0)],
      ...IpAddress.parse(prefix).bytes(),
    ]),
  );
  using socket = netns.run(() => Socket.open(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  const hops = Uint8Array.of(255, 0, 0, 0);
  socket.option(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops, "IPV6_MULTICAST_HOPS");
  socket.send(message, inetAddress(IpAddress.parse("ff02::1"), 0, interfaceIndex));
}
