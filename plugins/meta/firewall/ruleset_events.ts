import { SystemBus } from "../../../lib/dbus/bus.ts";
import { FIREWALLD } from "../../../lib/firewall/filter/firewalld.ts";
import { Socket } from "../../../lib/libc/socket.ts";
import { NFT_DELTABLE } from "../../../lib/netlink/nftables.ts";
import { Notifications } from "../../../lib/nl/notifications.ts";
import { NETLINK_NETFILTER } from "../../../lib/nl/socket.ts";

/** `linux/netfilter/nfnetlink.h`: the group that hears of every change to nftables. */
const NFNLGRP_NFTABLES = 7;

/** A reload is many changes. How long it must be quiet before it counts as over. Milliseconds. */
const QUIET_MS = 250;

/**
 * Hears of what takes rules away: firewalld's reload or restart, and nftables' tables deleted, as
 * `nft flush ruleset` does.
 */
export class RulesetEvents implements Disposable {
  readonly #kernel = Notifications.open(NETLINK_NETFILTER, [NFNLGRP_NFTABLES]);
  readonly #bus: SystemBus | undefined;

  constructor() {
    this.#bus = SystemBus.connect();
    this.#bus?.subscribe(`type='signal',interface='${FIREWALLD}',member='Reloaded'`);
    this.#bus?.subscribe(
      `type='signal',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${FIREWALLD}'`,
    );
  }

  /**
   * Waits until something was taken away and nothing more is.
   * @param longestMs after this time it has waited enough
   * @throws when the bus goes away
   */
  wait(longestMs = Infinity): void {
    const deadline = performance.now() + longestMs;
    for (let left = longestMs; left > 0; left = deadline - performance.now()) {
      if (this.#heard(left === Infinity ? -1 : Math.ceil(left))) break;
    }
    while (this.#heard(QUIET_MS));
  }

  [Symbol.dispose](): void {
    this.#kernel[Symbol.dispose]();
    this.#bus?.[Symbol.dispose]();
  }

  /** Whether something of interest was heard before the time was over. */
  #heard(ms: number): boolean {
    const kernel = this.#kernel.socket;
    if (!Socket.waitForAny(this.#bus ? [kernel, this.#bus.socket] : [kernel], ms)) return false;
    const table = this.#deletedTable();
    let signal = false;
    while (this.#bus?.next(0)) signal = true; // no others were asked for
    return table || signal;
  }

  #deletedTable(): boolean {
    const { messages, lost } = this.#kernel.receive();
    // Where some were lost, so much has happened that it is reason enough to look.
    return lost || messages.some(({ type }) => type === NFT_DELTABLE);
  }
}
