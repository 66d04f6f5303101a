import { runtime } from "../runtime/mod.ts";
import type { EndSignal } from "../runtime/types.ts";
import { CniError } from "../types/error.ts";

let told: EndSignal | undefined;

/**
 * Handles signals to end: the first one ends the command between two plugins, a second one at once.
 * Plugins run inside this process, and one that is killed in the middle could not undo its work.
 */
export function handleSignals(): void {
  runtime.onSignal(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
    if (told !== undefined) runtime.exit(1);
    told = signal;
    runtime.write(2, `cnitool: ${signal}: ends when the plugin has; again, and it ends at once\n`);
  });
}

/** To be called before each plugin. @throws {CniError} when a signal came */
export function throwIfInterrupted(): void {
  if (told !== undefined) throw CniError.internal(`interrupted by ${told} before it was called`);
}
