import { runtime } from "../runtime/mod.ts";

/**
 * Lists the names of this process: that of argv[0], then that of its executable file. They differ
 * where argv[0] is a symbolic link.
 */
export function calledAs(): string[] {
  return [runtime.argv0, runtime.executable].map(commandName);
}

/** The last part of a path. The kernel marks a file that was replaced since with ` (deleted)`. */
export function commandName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, "");
}
