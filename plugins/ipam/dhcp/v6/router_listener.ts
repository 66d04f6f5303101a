/**
 * Receives router advertisements, and solicits them: RFC 4861, sections 4.1 and 6.3.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import { AF_INET6, inetAddress } from "../../../../lib/libc/sockaddr.ts";
import { SOCK_RAW, Socket } from "../../../../lib/libc/socket.ts";
import { bestEffort } from "../configuration.ts";
import { drain } from "../drain.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { ETH_P_IPV6, type Instruction, openPacketSocket } from "../packet_socket.ts";
import { ReceiveQueue } from "../receive_queue.ts";
import { now, type Time } from "../time.ts";
import {
  ADVERTISEMENT,
  type Advertisement,
  decodeAdvertisement,
  type MalformedAdvertisement,
} from "./advertisement.ts";

const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_MULTICAST_HOPS = 18;
const ALL_ROUTERS = IpAddress.parse("ff02::2");
const SOLICITATION = 133;

/**
 * The pause between the first two solicitations, and the longest; doubled each time. RFC 7559
 * begins with 4 s, but the first frame over a new link is often lost. Milliseconds.
 */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 3_600_000;

/** ICMPv6 right behind the IPv6 header, of the advertisement's type. */
const ADVERTISEMENTS: readonly Instruction[] = [
  [0x30, 0, 0, 6], //  A = byte 6, the next header
  [0x15, 0, 3, IPPROTO_ICMPV6],
  [0x30, 0, 0, 40], // A = the ICMP type
  [0x15, 0, 1, ADVERTISEMENT],
  [0x06, 0, 0, 0x40000],
  [0x06, 0, 0, 0],
];

/** A socket that hears every router advertisement on an interface's link. */
export class RouterListener implements Disposable {
  readonly #interfaceId: InterfaceId;
  readonly #socket: Socket;
  readonly #watch: Disposable;
  /** What routers advertised. */
  readonly received = new ReceiveQueue<Advertisement | MalformedAdvertisement>();

  /** @throws {InterfaceGone} */
  constructor(interfaceId: InterfaceId, poller: Watcher) {
    using open = OpenInterface.at(interfaceId);
    this.#interfaceId = interfaceId;
    this.#socket = openPacketSocket(open, ETH_P_IPV6, ADVERTISEMENTS);
    this.#watch = poller.watch(this.#socket, () => {
      drain(this.#socket, 65536, (packet) => {
        const advertisement = decodeAdvertisement(packet);
        if (advertisement) this.received.push(advertisement);
      });
    });
  }

  /**
   * Asks the routers to advertise themselves. Without our hardware address: routers find that out
   * themselves. The kernel adds the checksum.
   * @throws {InterfaceGone}
   */
  solicit(): void {
    using open = OpenInterface.at(this.#interfaceId);
    // The link may be down for now. A router may advertise itself unasked, and is asked again.
    bestEffort(() => {
      using sender = open.netns.run(() => Socket.open(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
      const hops = Uint8Array.of(255, 0, 0, 0);
      sender.option(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops, "IPV6_MULTICAST_HOPS");
      const message = Uint8Array.of(SOLICITATION, 0, 0, 0, 0, 0, 0, 0);
      sender.send(message, inetAddress(ALL_ROUTERS, 0, open.link.index));
    });
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }
}

/** How long to ask routers, and which advertisement is the answer. */
export interface Solicitation {
  /** When to give up; null is never. */
  until: Time;
  /** Absent, the first one is the answer. */
  accept?(advertisement: Advertisement): boolean;
  /** Is told why an advertisement was dropped. */
  report?(problem: string): void;
}

/**
 * Asks the routers of a link until one answers, or advertises itself unasked.
 * @returns undefined when none did in time
 * @throws {InterfaceGone}; the signal's reason, once it is aborted
 */
export async function solicitRouter(
  interfaceId: InterfaceId,
  poller: Watcher,
  { until, accept = () => true, report }: Solicitation,
  signal: AbortSignal,
): Promise<Advertisement | undefined> {
  using listener = new RouterListener(interfaceId, poller);
  for (
    let pause = FIRST_PAUSE;
    until === null || now() < until;
    pause = Math.min(pause * 2, LONGEST_PAUSE)
  ) {
    listener.solicit();
    const next = Math.min(now() + pause, until ?? Infinity);
    for (;;) {
      const answer = await listener.received.next(next, signal);
      if (!answer) break;
      if ("malformed" in answer) report?.(`an advertisement was dropped: ${answer.malformed}`);
      else if (accept(answer)) return answer;
    }
  }
  signal.throwIfAborted();
  return undefined;
}
