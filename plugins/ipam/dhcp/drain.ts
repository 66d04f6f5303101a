import type { Socket } from "../../../lib/libc/socket.ts";

/** The most datagrams that are read at once: a flood on one interface must not block the others. */
const MOST = 256;

/**
 * Reads the datagrams that a socket has, up to a limit. Errors are ignored: the link may go down,
 * or be removed, at any time, and a reader has a timeout.
 * @param limit bytes of a datagram; what is longer is cut
 */
export function drain(
  socket: Socket,
  limit: number,
  each: (datagram: Uint8Array<ArrayBuffer>) => void,
): void {
  for (let count = 0; count < MOST; count++) {
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
