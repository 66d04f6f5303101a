import { runtime } from "../runtime/mod.ts";
import type { EndSignal } from "../runtime/types.ts";
import { CniError } from "../types/error.ts";

let seen: EndSignal | undefined;

/**
 * Handles signals that end a process: the first ends the command between two plugins, a second at
 * once.
 * Plugins run inside this process, and one that is killed in the middle could not undo its work.
 */
export function handleSignals(): void {
  runtime.onSignal(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
    if (seen !== undefined) runtime.exit(1);
    seen = signal;
    runtime.write(2, `cnitool: ${signal}: ends when the plugin has; again, and it ends at once\n`);
  });
}

/** Keeps the next plugin from being called after a signal. @throws {CniError} when a signal came */
export function throwIfInterrupted(): void {
  if (seen !== undefined) throw CniError.internal(`interrupted by ${seen} before it was called`);
}
