import { runtime } from "../runtime/mod.ts";
import { errnoNumber } from "./errno.ts";
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

/**
 * A C string: UTF-8 bytes and a NUL.
 * @throws {TypeError} when the text itself has a NUL, which C would take for its end
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`a NUL character in ${JSON.stringify(text)}`);
  return new TextEncoder().encode(text + "\0") as Uint8Array<ArrayBuffer>;
}
