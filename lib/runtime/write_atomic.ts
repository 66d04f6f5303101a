import { runtime } from "./mod.ts";
import { isMissing, unlessRefused } from "./errors.ts";

/**
 * Writes a file so that a reader, and a machine that loses power, sees the old content or the new
 * one and nothing between: a temporary file in the same directory, `fsync`, `rename`. A file has
 * one writer at a time.
 * @param mode permission bits, before the umask
 * @param options `sync: false`: without `fsync`, for what may be lost with the power
 * @throws {Error} with `code` when the directory is missing or not writable; nothing stays behind
 */
export function writeAtomic(
  path: string,
  data: string | Uint8Array,
  mode = 0o600,
  { sync = true }: { sync?: boolean } = {},
): void {
  const temporary = unfinished(path);
  const write = () => runtime.files.write(temporary, data, { mode, create: "new", sync });
  try {
    unlessRefused(write, "EEXIST", () => {
      removeIfPresent(temporary); // a killed writer's
      write();
    });
    runtime.files.rename(temporary, path);
  } catch (error) {
    removeIfPresent(temporary);
    throw error;
  }
}

/**
 * Removes a file that {@link writeAtomic} wrote, and what a process that was killed on the way left
 * of it. One that is not there is fine.
 */
export function removeWritten(path: string): void {
  removeIfPresent(path);
  removeIfPresent(unfinished(path));
}

/** Removes a file; one that is not there is fine. Returns whether there was one. */
export function removeIfPresent(path: string): boolean {
  if (!runtime.files.exists(path)) return false;
  try {
    runtime.files.remove(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Names the temporary file: alike in every process, so that the next finds what a killed one left.
 */
function unfinished(path: string): string {
  return `${path}.tmp`;
}
