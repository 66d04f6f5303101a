import { errnoCode } from "./errors.ts";
import { sleepSync } from "./sleep.ts";

/**
 * Reads from, or writes to, a pipe that somebody made non-blocking: while it is empty, or full, who
 * is at its other end needs a moment.
 */
export function untilReady<T>(transfer: () => T): T {
  for (;;) {
    try {
      return transfer();
    } catch (error) {
      if (errnoCode(error) !== "EAGAIN") throw error;
      sleepSync(1);
    }
  }
}
