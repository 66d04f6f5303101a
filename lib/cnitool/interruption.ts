import { runtime } from "../runtime/mod.ts";
import type { EndSignal } from "../runtime/types.ts";
import { CniError } from "../types/error.ts";

let told: EndSignal | undefined;

/**
 * From now on a signal to end is heeded between two plugins, and only a second one at once: plugins
 * run inside this process, and what one had made that was ended in the middle would stay.
 */
export function heedSignals(): void {
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
