import { Notifications } from "../nl/notifications.ts";
import { NETLINK_ROUTE } from "../nl/socket.ts";
import type { NetNs } from "../ns/netns.ts";

/**
 * Waits for changes that the kernel makes in its own time, without asking again and again. Open it
 * before doing what leads to the change.
 */
export class Changes implements Disposable {
  private constructor(private readonly notifications: Notifications) {}

  /**
   * Listens in a namespace. @param groups RTNLGRP_*
   * @throws {SystemError}
   */
  static in(netns: NetNs, groups: readonly number[]): Changes {
    return new Changes(Notifications.open(NETLINK_ROUTE, groups, netns));
  }

  /**
   * Waits until `condition` holds: evaluates it at once, and again after each notification. A lost
   * notification does no harm, since the condition reads the state.
   * @returns whether it held before `deadlineMs` milliseconds had passed
   */
  async until(condition: () => boolean, deadlineMs: number): Promise<boolean> {
    const deadline = performance.now() + deadlineMs;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0 || !await this.notifications.wait(left)) return condition();
      this.notifications.receive();
    }
    return true;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    this.notifications[Symbol.dispose]();
  }
}
