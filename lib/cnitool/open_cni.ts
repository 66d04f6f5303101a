import { Cni } from "../libcni/cni.ts";
import { runtime } from "../runtime/mod.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { pluginPath } from "./settings.ts";

/**
 * Opens the library. Its warnings are printed.
 *
 * @param onPlugin called before each plugin, unless a signal came
 */
export function openCni(onPlugin?: (plugin: string, command: string) => void): Cni {
  return new Cni({
    path: pluginPath(),
    warn,
    onPlugin(command, plugin) {
      throwIfInterrupted();
      onPlugin?.(plugin, command);
    },
  });
}

/** Tells the user of something that does not keep the command from being done. */
export function warn(message: string): void {
  runtime.write(2, `cnitool: warning: ${message}\n`);
}
