/**
 * Telling the neighbours who has an address now: those that knew another owner would send to its
 * MAC address until their entry runs out.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { macBytes } from "../ip/mac.ts";
import { AF_INET6, AF_PACKET, inetAddress, packetAddress } from "../libc/sockaddr.ts";
import { SOCK_DGRAM, SOCK_RAW, Socket } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { u32 } from "../netlink/codec.ts";
import { IFF_LOOPBACK, IFF_NOARP } from "../netlink/link.ts";
import type { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";

/** `linux/if_ether.h`, `linux/in6.h` */
const ETH_P_ARP = 0x0806;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;

/**
 * Announces each address once: an ARP announcement (RFC 5227, section 3) or an unsolicited
 * neighbour advertisement (RFC 4861, section 7.2.6). Neighbours would find out by themselves in
 * the end, so a link that cannot send yet is no error.
 * @param link an interface in `netns`, up
 */
export function announce(netns: NetNs, link: Link, addresses: readonly IpAddress[]): void {
  if (link.flags & (IFF_NOARP | IFF_LOOPBACK) || macBytesOf(link)?.length !== 6) return;
  for (const address of addresses) {
    try {
      netns.run(() => address.family === 4 ? sendArp(link, address) : advertise(link, address));
    } catch (error) {
      // No carrier yet; or an IPv6 address is still being looked for elsewhere, which the kernel
      // announces itself when it has found nobody.
      if (!(error instanceof SystemError)) throw error;
    }
  }
}

function macBytesOf({ address }: Link): Uint8Array | undefined {
  return address ? macBytes(address) : undefined;
}

/**
 * Sends an ARP announcement, "who has ADDRESS? tell ADDRESS": its receivers update their caches.
 */
function sendArp(link: Link, address: IpAddress): void {
  const own = macBytes(link.address);
  const packet = Uint8Array.of(
    ...[0, 1, 8, 0, 6, 4, 0, 1], // Ethernet, IPv4, their lengths, request
    ...[...own, ...address.bytes()],
    ...[0, 0, 0, 0, 0, 0, ...address.bytes()],
  );
  using socket = Socket.open(AF_PACKET, SOCK_DGRAM, 0);
  socket.send(packet, packetAddress(link.index, ETH_P_ARP, new Uint8Array(6).fill(0xff)));
}

/**
 * Sends a neighbour advertisement with the override flag to all nodes. The kernel adds the
 * checksum.
 */
function advertise(link: Link, address: IpAddress): void {
  const packet = Uint8Array.of(
    ...[136, 0, 0, 0, 0x20, 0, 0, 0],
    ...address.bytes(),
    ...[2, 1, ...macBytes(link.address)], // option: target link-layer address
  );
  using socket = Socket.open(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  socket.option(IPPROTO_IPV6, IPV6_MULTICAST_IF, u32.encode(link.index), "IPV6_MULTICAST_IF");
  socket.option(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, u32.encode(255), "IPV6_MULTICAST_HOPS");
  const scope = address.isLinkLocal() ? link.index : 0;
  socket.bind(inetAddress(address, 0, scope), String(address));
  socket.send(packet, inetAddress(IpAddress.parse("ff02::1"), 0, link.index));
}
