import { otherCalls } from "../runtime/caller.ts";
import { sleep } from "../runtime/sleep.ts";
import type { Socket } from "./socket.ts";

/**
 * How long the thread of a process that serves one call is stopped at a time: signals are heard in
 * between. Milliseconds.
 */
const SLICE_MS = 50;

/**
 * Waits until there is something to receive. Other calls go on meanwhile, and signals are heard.
 * @param ms a finite time
 * @returns false when the time is over
 */
export async function awaitReadable(socket: Socket, ms: number): Promise<boolean> {
  const others = otherCalls();
  if (others) return await others.readable(socket.descriptor, ms);
  const deadline = performance.now() + ms;
  for (let left = ms;; left = deadline - performance.now()) {
    if (socket.waitSync(Math.max(0, Math.min(left, SLICE_MS)))) return true;
    if (left <= SLICE_MS) return false;
    await sleep(0);
  }
}
