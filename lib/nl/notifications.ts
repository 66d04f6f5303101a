import { awaitReadable } from "../libc/await_readable.ts";
import type { Socket } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { type Message, unpackMessages } from "../netlink/message.ts";
import type { NetNs } from "../ns/netns.ts";
import { KernelTransport } from "./transport.ts";

/** What a member of a multicast group received. */
export interface Received {
  messages: Message[];
  /** There was more, for which the receive buffer had no room. */
  lost: boolean;
}

/** The messages that the kernel sends to every member of multicast groups: netlink(7). */
export class Notifications implements Disposable {
  private constructor(private readonly transport: KernelTransport) {}

  /**
   * Becomes a member of groups, in a namespace or in the calling thread's own.
   * @param protocol NETLINK_ROUTE or NETLINK_NETFILTER
   * @param groups RTNLGRP_* or NFNLGRP_*
   * @throws {SystemError}
   */
  static open(protocol: number, groups: readonly number[], netns?: NetNs): Notifications {
    const open = () => new KernelTransport(protocol);
    const transport = netns ? netns.run(open) : open();
    try {
      for (const group of groups) transport.join(group);
      return new Notifications(transport);
    } catch (error) {
      transport[Symbol.dispose]();
      throw error;
    }
  }

  /** For waiting for it together with others. */
  get socket(): Socket {
    return this.transport.socket;
  }

  /** Waits until there is something to receive. @returns false when nothing came in time */
  wait(timeoutMs: number): Promise<boolean> {
    return awaitReadable(this.socket, timeoutMs);
  }

  /** Takes what has come. @throws {SystemError} */
  receive(): Received {
    const messages: Message[] = [];
    for (let lost = false;;) {
      try {
        const datagram = this.transport.receive();
        if (!datagram) return { messages, lost };
        messages.push(...unpackMessages(datagram));
      } catch (error) {
        if (!(error instanceof SystemError && error.code === "ENOBUFS")) throw error;
        lost = true;
      }
    }
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.transport[Symbol.dispose]();
  }
}
