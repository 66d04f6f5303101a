import type { Socket } from "../../../lib/libc/socket.ts";

/**
 * Reads all datagrams that a socket has. An error is no more than a silence: the link may go down,
 * or go, at any time, and whoever waits for an answer finds out.
 * @param limit bytes of a datagram; what is longer is cut
 */
export function drain(
  socket: Socket,
  limit: number,
  each: (datagram: Uint8Array<ArrayBuffer>) => void,
): void {
  for (;;) {
    let received: ReturnType<Socket["receive"]>;
    try {
      received = socket.receive(limit);
    } catch {
      return;
    }
    if (!received) return;
    each(received.data);
  }
}
