import { SystemBus } from "../../../lib/dbus/bus.ts";
import { FIREWALLD } from "../../../lib/firewall/filter/firewalld.ts";
import { Socket } from "../../../lib/libc/socket.ts";
import { NFT_DELTABLE } from "../../../lib/netlink/nftables.ts";
import { Notifications } from "../../../lib/nl/notifications.ts";
import { NETLINK_NETFILTER } from "../../../lib/nl/socket.ts";

/** `linux/netfilter/nfnetlink.h`: the multicast group of changes to nftables. */
const NFNLGRP_NFTABLES = 7;

/** A reload is many changes: it is over after this time without any. Milliseconds. */
const QUIET_MS = 250;

/**
 * Watches for events that remove rules: firewalld's reload or restart, and deletions of nftables'
 * tables, as by `nft flush ruleset`.
 */
export class RulesetEvents implements Disposable {
  private constructor(
    private readonly kernel: Notifications,
    private readonly bus: SystemBus | undefined,
  ) {}

  /** Listens to nftables and, where there is one, to the system bus. @throws {CniError} */
  static async open(): Promise<RulesetEvents> {
    const kernel = Notifications.open(NETLINK_NETFILTER, [NFNLGRP_NFTABLES]);
    const bus = await SystemBus.connect();
    await bus?.subscribe(`type='signal',interface='${FIREWALLD}',member='Reloaded'`);
    await bus?.subscribe(
      `type='signal',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${FIREWALLD}'`,
    );
    return new RulesetEvents(kernel, bus);
  }

  /**
   * Waits for such an event, and for the end of those that follow.
   * @param longestMs the timeout
   * @throws when the bus goes away
   */
  async wait(longestMs = Infinity): Promise<void> {
    const deadline = performance.now() + longestMs;
    for (let left = longestMs; left > 0; left = deadline - performance.now()) {
      if (await this.#received(left === Infinity ? -1 : Math.ceil(left))) break;
    }
    while (await this.#received(QUIET_MS));
  }

  [Symbol.dispose](): void {
    this.kernel[Symbol.dispose]();
    this.bus?.[Symbol.dispose]();
  }

  /** Whether an event came within `ms`. */
  async #received(ms: number): Promise<boolean> {
    const kernel = this.kernel.socket;
    if (!Socket.waitForAny(this.bus ? [kernel, this.bus.socket] : [kernel], ms)) return false;
    const table = this.#deletedTable();
    let signal = false;
    while (await this.bus?.next(0)) signal = true; // no others were asked for
    return table || signal;
  }

  #deletedTable(): boolean {
    const { messages, lost } = this.kernel.receive();
    // Lost messages may have been such events.
    return lost || messages.some(({ type }) => type === NFT_DELTABLE);
  }
}
