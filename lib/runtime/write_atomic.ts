import { runtime } from "./mod.ts";
import { isMissing } from "./errors.ts";

/**
 * Writes a file so that a reader, and a machine that loses power, sees the old content or the new
 * one and nothing between: a temporary file in the same directory, `fsync`, `rename`.
 * @param mode permission bits, before the umask
 * @throws {Error} with `code` when the directory is missing or not writable; nothing stays behind
 */
export function writeAtomic(path: string, data: string | Uint8Array, mode = 0o600): void {
  const temporary = `${path}.${runtime.pid}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    runtime.files.write(temporary, data, { mode, create: "new", sync: true });
    runtime.files.rename(temporary, path);
  } catch (error) {
    removeIfPresent(temporary);
    throw error;
  }
}

/** Removes a file; one that is not there is fine. Says whether there was one. */
export function removeIfPresent(path: string): boolean {
  try {
    runtime.files.remove(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
