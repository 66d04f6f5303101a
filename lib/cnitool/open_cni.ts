import { Cni } from "../libcni/cni.ts";
import { runtime } from "../runtime/mod.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { pluginPath } from "./settings.ts";

/**
 * The library, telling the user what it warns of.
 *
 * @param onPlugin told of each plugin before it is called, unless the user wants to end by then
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
