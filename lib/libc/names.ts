/**
 * Names of files that usually are not there, or cannot be removed. That is no exception here, which
 * takes a runtime ten times as long as the call.
 *
 * @module
 */
import { cString } from "../runtime/c_string.ts";
import { fromCaller } from "../runtime/caller.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";
import { decodeText } from "../runtime/decode.ts";
import { names } from "./symbols.ts";
import { SystemError } from "./system_error.ts";

/** The longest target of a link, and the NUL. `limits.h` */
const PATH_MAX = 4096;

/** Where every target is read into: it is decoded at once. */
const target = new Uint8Array(PATH_MAX);

const MISSING = [errnoNumber("ENOENT"), errnoNumber("ENOTDIR")];

/**
 * `readlink(2)`: the target of a symbolic link; undefined where there is nothing of that name.
 * @throws {SystemError} EINVAL where it is no link
 */
export function readLinkIfPresent(path: string): string | undefined {
  const { readlink } = names();
  const length = Number(readlink(cString(fromCaller(path)), target, target.length));
  if (length >= 0) return decodeText(target.subarray(0, length));
  const errno = runtime.errno();
  if (MISSING.includes(errno)) return undefined;
  throw new SystemError(`read the link ${path}`, errno);
}

/** `rmdir(2)`: removes a directory that is empty. Returns false where it could not be removed. */
export function removeDirectory(path: string): boolean {
  const { rmdir } = names();
  return rmdir(cString(fromCaller(path))) === 0;
}
