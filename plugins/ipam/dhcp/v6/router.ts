/**
 * Router advertisements: RFC 4861, sections 4.1, 4.2 and 6.3; name servers in them: RFC 8106.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import { AF_INET6, inetAddress } from "../../../../lib/libc/sockaddr.ts";
import { SOCK_RAW, Socket } from "../../../../lib/libc/socket.ts";
import { drain } from "../drain.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { ReceiveQueue } from "../receive_queue.ts";
import { decodeNames } from "../names.ts";
import { ETH_P_IPV6, type Instruction, openPacketSocket } from "../packet_socket.ts";
import { now, sleepUntil, type Time } from "../time.ts";

const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_MULTICAST_HOPS = 18;
const IP_HEADER = 40;

const ALL_ROUTERS = IpAddress.parse("ff02::2");
const SOLICITATION = 133;
const ADVERTISEMENT = 134;

/**
 * Between the first two solicitations, and at most; doubled each time. RFC 7559 begins with 4 s,
 * but the first frame over a new link is often lost. Milliseconds.
 */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 3_600_000;

/** ICMPv6 with nothing before it, of the advertisement's type. What is seen begins with the IP header. */
const ADVERTISEMENTS: readonly Instruction[] = [
  [0x30, 0, 0, 6], //  A = byte 6, what comes next
  [0x15, 0, 3, IPPROTO_ICMPV6],
  [0x30, 0, 0, IP_HEADER], // A = the ICMP type
  [0x15, 0, 1, ADVERTISEMENT],
  [0x06, 0, 0, 0x40000],
  [0x06, 0, 0, 0],
];

/** A prefix that a router advertises. */
export interface Prefix {
  network: Cidr;
  /** Its addresses are on the link. */
  onLink: boolean;
  /** Hosts make addresses of it by themselves. */
  autonomous: boolean;
  /** Seconds. */
  valid: number;
  preferred: number;
}

/** What a router says. */
export interface Advertisement {
  router: IpAddress;
  /** Seconds for which it is a default router; 0: it is none. */
  lifetime: number;
  /** Addresses come from a DHCPv6 server; or other things do. */
  managed: boolean;
  other: boolean;
  prefixes: Prefix[];
  nameservers: IpAddress[];
  search: string[];
  /** Bytes. */
  mtu?: number;
}

/** For how long to ask routers, and what counts as an answer. */
export interface Solicitation {
  /** When to give up; null is never. */
  until: Time;
  /** Absent, whatever comes first will do. */
  accept?(advertisement: Advertisement): boolean;
}

/**
 * Asks the routers on a link, and takes an answer, or what one says unasked.
 * @throws {InterfaceGone}
 */
export async function solicitRouter(
  interfaceId: InterfaceId,
  poller: Watcher,
  { until, accept }: Solicitation,
  signal: AbortSignal,
): Promise<Advertisement | undefined> {
  using open = OpenInterface.at(interfaceId);
  using socket = openPacketSocket(open, ETH_P_IPV6, ADVERTISEMENTS);
  using sender = open.netns.run(() => Socket.open(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  sender.option(
    IPPROTO_IPV6,
    IPV6_MULTICAST_HOPS,
    Uint8Array.of(255, 0, 0, 0),
    "IPV6_MULTICAST_HOPS",
  );
  const received = new ReceiveQueue<Advertisement>();
  using _watch = poller.watch(socket, () =>
    drain(socket, 65536, (packet) => {
      const advertisement = decodeAdvertisement(packet);
      if (advertisement && (accept?.(advertisement) ?? true)) received.push(advertisement);
    }));
  for (
    let pause = FIRST_PAUSE;
    until === null || now() < until;
    pause = Math.min(pause * 2, LONGEST_PAUSE)
  ) {
    solicit(sender, open.link.index);
    const answer = await received.next(Math.min(now() + pause, until ?? Infinity), signal);
    if (answer) return answer;
  }
  await sleepUntil(0, signal);
  return undefined;
}

/** Without our hardware address: routers find that out themselves. The kernel adds the checksum. */
function solicit(sender: Socket, interfaceIndex: number): void {
  try {
    const message = Uint8Array.of(SOLICITATION, 0, 0, 0, 0, 0, 0, 0);
    sender.send(message, inetAddress(ALL_ROUTERS, 0, interfaceIndex));
  } catch {
    // The link is down for now, say. A router may speak unasked, and is asked again.
  }
}

/** @param packet with its IPv6 header. Undefined for what is no advertisement from this link */
export function decodeAdvertisement(packet: Uint8Array): Advertisement | undefined {
  const length = packet[4]! * 256 + packet[5]!;
  const body = packet.subarray(IP_HEADER, IP_HEADER + length);
  if (packet.length < IP_HEADER + length || body.length < 16) return undefined;
  const router = IpAddress.fromBytes(packet.slice(8, 24));
  // What a router has passed on has come with fewer hops than 255.
  const isFromLink = packet[7] === 255 && router.isLinkLocal();
  if (!isFromLink || body[0] !== ADVERTISEMENT || body[1] !== 0) return undefined;
  const advertisement: Advertisement = {
    router,
    lifetime: body[6]! * 256 + body[7]!,
    managed: (body[5]! & 0x80) !== 0,
    other: (body[5]! & 0x40) !== 0,
    prefixes: [],
    nameservers: [],
    search: [],
  };
  for (let offset = 16; offset < body.length;) {
    const size = (body[offset + 1] ?? 0) * 8;
    if (size === 0 || offset + size > body.length) return undefined;
    readOption(body.subarray(offset, offset + size), advertisement);
    offset += size;
  }
  return advertisement;
}

function readOption(option: Uint8Array, into: Advertisement): void {
  const view = new DataView(option.buffer, option.byteOffset, option.byteLength);
  switch (option[0]) {
    case 3: { // Prefix Information
      if (option.length < 32 || option[2]! > 128) return;
      const [valid, preferred] = [view.getUint32(4), view.getUint32(8)];
      const network = new Cidr(IpAddress.fromBytes(option.slice(16, 32)), option[2]!).network();
      const [onLink, autonomous] = [(option[3]! & 0x80) !== 0, (option[3]! & 0x40) !== 0];
      const isUsable = network.ip.family === 6 && !network.ip.isLinkLocal() && preferred <= valid;
      if (isUsable && valid > 0) {
        into.prefixes.push({ network, onLink, autonomous, valid, preferred });
      }
      return;
    }
    case 5: // MTU
      if (option.length === 8 && view.getUint32(4) >= 1280) into.mtu = view.getUint32(4);
      return;
    case 25: // Recursive DNS Server
      if (view.getUint32(4) === 0) return;
      for (let offset = 8; offset + 16 <= option.length; offset += 16) {
        into.nameservers.push(IpAddress.fromBytes(option.slice(offset, offset + 16)));
      }
      return;
    case 31: // DNS Search List, filled up with zeros
      if (view.getUint32(4) !== 0) {
        into.search.push(...decodeNames(withoutPadding(option.subarray(8))) ?? []);
      }
  }
}

function withoutPadding(names: Uint8Array): Uint8Array {
  let end = names.length;
  while (end > 1 && names[end - 1] === 0 && names[end - 2] === 0) end--;
  return names[0] === 0 ? new Uint8Array(0) : names.subarray(0, end);
}
