import { runtime } from "../runtime/mod.ts";

/**
 * The names this process goes by: what it was called by (argv[0]), then what its file is called.
 * They differ behind a symbolic link, which argv[0] names and the executable's path resolves.
 */
export function calledAs(): string[] {
  return [runtime.argv0, runtime.executable].map(commandName);
}

/** The last part of a path. The kernel marks a file that was replaced since with ` (deleted)`. */
export function commandName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, "");
}
