import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import type { Watcher } from "../../../../lib/libc/poller.ts";
import { NUD_FAILED } from "../../../../lib/netlink/neighbour.ts";
import { type InterfaceId, OpenInterface } from "../interface.ts";
import { now } from "../time.ts";
import type { Advertisement } from "./advertisement.ts";
import {
  advertised,
  type LinkState,
  nextExpiry,
  withoutExpired,
  withRouterFirst,
} from "./link_state.ts";
import { RouterListener } from "./router_listener.ts";

/**
 * The pause between solicitations where no router is known, the first and the longest; doubled each
 * time. RFC 7559. Milliseconds.
 */
const FIRST_SOLICITATION = 2000;
const LONGEST_SOLICITATION = 3_600_000;

/**
 * How often to look whether the kernel finds the default router unreachable, where there is another
 * one; and while it is probed, which takes it three seconds. Milliseconds.
 */
const NEIGHBOUR_INTERVAL = 10_000;
const PROBE_INTERVAL = 1000;
const PROBE_TIME = 5000;

/** Follows what the routers of an interface's link advertise. */
export class RouterWatch {
  readonly #interfaceId: InterfaceId;
  readonly #poller: Watcher;
  #link: LinkState | undefined;
  /** When the default router was probed last. */
  #probedAt = -Infinity;
  /** Whether what is known may be old. */
  readonly #isOld: boolean;

  /** @param link as an earlier daemon knew it */
  constructor(interfaceId: InterfaceId, poller: Watcher, link: LinkState | undefined) {
    this.#interfaceId = interfaceId;
    this.#poller = poller;
    this.#link = link;
    this.#isOld = link !== undefined;
  }

  /** What was advertised, as far as it has not expired; undefined where no router was heard. */
  get link(): LinkState | undefined {
    return this.#link && withoutExpired(this.#link, now());
  }

  /** Tells whether a router said that an address is on the link. */
  isOnLink(ip: IpAddress): boolean {
    return this.link?.onLink.some(({ network }) => Cidr.parse(network).contains(ip)) ?? false;
  }

  /** Updates the link by an advertisement. */
  heard(advertisement: Advertisement): void {
    this.#link = advertised(this.#link, advertisement, now());
  }

  /**
   * Listens until it is aborted. Expiry changes the link between two advertisements, too.
   * @param changed is given the link whenever it may be another
   * @throws {InterfaceGone}; the signal's reason
   */
  async run(changed: (link: LinkState) => void, signal: AbortSignal): Promise<never> {
    using listener = new RouterListener(this.#interfaceId, this.#poller);
    if (this.#isOld) listener.solicit();
    let pause = FIRST_SOLICITATION;
    let solicitAt = now() + pause;
    for (;;) {
      const { link } = this;
      if (link) changed(link);
      const others = link ? link.routers.length - 1 : -1;
      if (others >= 0) {
        pause = FIRST_SOLICITATION;
        solicitAt = now() + pause;
      }
      const until = Math.min(
        link ? nextExpiry(link, now()) ?? Infinity : Infinity,
        others > 0 ? now() + this.#neighbourInterval() : Infinity,
        others < 0 ? solicitAt : Infinity,
      );
      const advertisement = await listener.received.next(until, signal);
      if (advertisement && !("malformed" in advertisement)) this.#consider(advertisement);
      else if (others > 0) this.#replaceUnreachable();
      else if (others < 0 && now() >= solicitAt) {
        listener.solicit();
        pause = Math.min(pause * 2, LONGEST_SOLICITATION);
        solicitAt = now() + pause;
      }
    }
  }

  /** Considers another router than the one in use, which may be in its place. */
  #consider(advertisement: Advertisement): void {
    this.heard(advertisement);
    const [router] = this.link?.routers ?? [];
    if (!router || router.address === String(advertisement.router)) return;
    if (this.#replaceUnreachable()) return;
    using open = OpenInterface.at(this.#interfaceId);
    open.inside.neighbour.probe(open.link, IpAddress.parse(router.address));
    this.#probedAt = now();
  }

  #neighbourInterval(): number {
    return now() - this.#probedAt < PROBE_TIME ? PROBE_INTERVAL : NEIGHBOUR_INTERVAL;
  }

  /**
   * Uses another router where the kernel found the one in use to be unreachable, and that one not:
   * RFC 4861, sections 6.3.6 and 7.3. Tells whether it did.
   */
  #replaceUnreachable(): boolean {
    const { link } = this;
    if (!link) return false;
    using open = OpenInterface.at(this.#interfaceId);
    const failed = new Set(
      open.inside.neighbour.list({ device: open.link })
        .filter(({ state }) => (state & NUD_FAILED) !== 0).map(({ address }) => String(address)),
    );
    const index = link.routers.findIndex(({ address }) => !failed.has(address));
    if (index > 0) this.#link = withRouterFirst(link, link.routers[index]!.address);
    return index > 0;
  }
}
