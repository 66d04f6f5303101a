import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";

/**
 * The names this process goes by: what it was called by (argv[0]), then what its file is called.
 * They differ behind a symbolic link, which argv[0] names and `/proc/self/exe` resolves.
 */
export function calledAs(): string[] {
  const cmdline = ifPresent(() => runtime.files.readText("/proc/self/cmdline")) ?? "";
  return [cmdline.split("\0", 1)[0]!, runtime.executable].map(commandName);
}

/** The last part of a path. The kernel marks a file that was replaced since with ` (deleted)`. */
export function commandName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, "");
}
