import { errnoCode } from "./errors.ts";
import { sleepSync } from "./sleep.ts";

/**
 * Reads from, or writes to, a pipe that another process may have made non-blocking: tries again
 * while the pipe is empty or full (EAGAIN).
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
