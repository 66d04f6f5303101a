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
   * Listens in a namespace. @param groups RTNLGRP_*: the sorts of changes to hear of
   * @throws {SystemError}
   */
  static in(netns: NetNs, groups: readonly number[]): Changes {
    return new Changes(Notifications.open(NETLINK_ROUTE, groups, netns));
  }

  /**
   * Waits until `condition` holds; it is asked at once, and again after each change. Which change
   * it was does not matter, nor whether some were missed: the condition reads the state.
   * @returns whether it held before `deadlineMs` milliseconds had passed
   */
  until(condition: () => boolean, deadlineMs: number): boolean {
    const deadline = performance.now() + deadlineMs;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0 || !this.notifications.wait(left)) return condition();
      this.notifications.receive();
    }
    return true;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    this.notifications[Symbol.dispose]();
  }
}
