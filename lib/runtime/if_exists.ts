import { ifPresent } from "./errors.ts";
import { runtime } from "./mod.ts";

/**
 * As {@link ifPresent}, for a file that is mostly missing: whether it exists is asked first, since the
 * Error of a read takes longer.
 * @param path the file's
 * @param read reads it
 */
export function ifExists<T>(path: string, read: () => T): T | undefined {
  return runtime.files.exists(path) ? ifPresent(read) : undefined;
}
