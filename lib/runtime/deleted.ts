/** With this the kernel marks the path of an open file that was replaced or removed since. */
const DELETED = " (deleted)";

/** Returns a path, as `/proc/self/exe` has it, without the mark of a file that was replaced since. */
export function withoutDeleted(path: string): string {
  return path.endsWith(DELETED) ? path.slice(0, -DELETED.length) : path;
}
