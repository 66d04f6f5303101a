import { SystemError } from "../libc/system_error.ts";
import type { NetNs } from "../ns/netns.ts";
import { NETLINK_ROUTE } from "./socket.ts";
import { KernelTransport } from "./transport.ts";

/**
 * Hears of changes that the kernel makes in its own time, so that nobody has to ask again and again.
 * Open it before doing what leads to the change.
 */
export class Changes implements Disposable {
  private constructor(private readonly transport: KernelTransport) {}

  /**
   * Listens in a namespace. @param groups RTNLGRP_*: the sorts of changes to hear of
   * @throws {SystemError}
   */
  static in(netns: NetNs, groups: readonly number[]): Changes {
    const transport = netns.run(() => new KernelTransport(NETLINK_ROUTE));
    try {
      for (const group of groups) transport.join(group);
      return new Changes(transport);
    } catch (error) {
      transport[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Waits until `condition` holds; it is asked at once, and again after each change.
   * @returns whether it held before `deadlineMs` milliseconds had passed
   */
  until(condition: () => boolean, deadlineMs: number): boolean {
    const deadline = performance.now() + deadlineMs;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0 || !this.transport.wait(left)) return condition();
      while (this.transport.wait(0)) this.#drop();
    }
    return true;
  }

  /** Which change it was does not matter, and neither does having missed some: the state is read. */
  #drop(): void {
    try {
      this.transport.receive();
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "ENOBUFS")) throw error;
    }
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    this.transport[Symbol.dispose]();
  }
}
