import type { Socket } from "../../../lib/libc/socket.ts";

/** Whoever floods one interface must not keep us from all others. */
const MOST = 256;

/**
 * Reads the datagrams that a socket has, within reason. An error is no more than a silence: the
 * link may go down, or go, at any time, and whoever waits for an answer finds out.
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
