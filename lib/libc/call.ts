import { runtime } from "../runtime/mod.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { SystemError } from "./system_error.ts";

/**
 * Makes a C call and turns −1 into an exception. A call that a signal interrupted is made again.
 * @param invoke makes the call, and nothing else: errno must not change behind it
 * @param attempted says what was tried, on what
 * @throws {SystemError} with the call's errno
 */
export function call(invoke: () => number | bigint, attempted: () => string): number {
  for (;;) {
    const result = Number(invoke());
    if (result !== -1) return result;
    const errno = runtime.errno();
    if (errno !== EINTR) throw new SystemError(attempted(), errno);
  }
}

const EINTR = errnoNumber("EINTR");
