import { runtime } from "../runtime/mod.ts";

/**
 * Lists the names of this process: that of argv[0], then that of its executable file. They differ
 * where argv[0] is a symbolic link.
 */
export function calledAs(): string[] {
  return [runtime.argv0, runtime.executable].map(commandName);
}

/** With this the kernel marks the path of a file that was replaced since. */
const DELETED = " (deleted)";

/** The last part of a path, without {@link DELETED}. */
export function commandName(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name.endsWith(DELETED) ? name.slice(0, -DELETED.length) : name;
}
