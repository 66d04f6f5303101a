import { SystemBus } from "../../../lib/dbus/bus.ts";
import { FIREWALLD } from "../../../lib/firewall/filter/firewalld.ts";
import { SOCK_RAW, Socket } from "../../../lib/libc/socket.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { u32 } from "../../../lib/netlink/codec.ts";
import { unpackMessages } from "../../../lib/netlink/message.ts";
import { NFT_DELTABLE } from "../../../lib/netlink/nftables.ts";
import { NETLINK_NETFILTER } from "../../../lib/rtnl/socket.ts";

const AF_NETLINK = 16;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** `linux/netfilter/nfnetlink.h`: the group that hears of every change to nftables. */
const NFNLGRP_NFTABLES = 7;

/** A reload is many changes. How long it must be quiet before it counts as over. Milliseconds. */
const QUIET_MS = 250;

/**
 * Hears of what takes rules away: firewalld's reload or restart, and nftables' tables deleted, as
 * `nft flush ruleset` does.
 */
export class RulesetEvents implements Disposable {
  readonly #kernel = Socket.open(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  readonly #bus: SystemBus | undefined;

  constructor() {
    const anyPort = new Uint8Array(12); // struct sockaddr_nl
    anyPort[0] = AF_NETLINK;
    this.#kernel.bind(anyPort, "netlink");
    const group = u32.encode(NFNLGRP_NFTABLES) as Uint8Array<ArrayBuffer>;
    this.#kernel.option(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, "NETLINK_ADD_MEMBERSHIP");
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
    const any = this.#bus ? [this.#kernel, this.#bus.socket] : [this.#kernel];
    if (!Socket.waitForAny(any, ms)) return false;
    const table = this.#deletedTable();
    let signal = false;
    while (this.#bus?.next(0)) signal = true; // no others were asked for
    return table || signal;
  }

  #deletedTable(): boolean {
    try {
      let deleted = false;
      for (let come = this.#kernel.receive(); come; come = this.#kernel.receive()) {
        deleted ||= unpackMessages(come.data).some(({ type }) => type === NFT_DELTABLE);
      }
      return deleted;
    } catch (error) {
      // So much happened that some of it was lost: reason enough to look.
      if (error instanceof SystemError && error.code === "ENOBUFS") return true;
      throw error;
    }
  }
}
