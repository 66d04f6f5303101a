/** The environment that carries a request to a plugin (specification, section 2). */
import { formatArgs } from "../types/args.ts";
import { callerEnvironment } from "../runtime/caller.ts";

/** The parameters of a request. Absent ones are passed as empty variables. */
export interface PluginArgs {
  /** CNI_COMMAND. */
  command: string;
  /** CNI_CONTAINERID. */
  containerId?: string;
  /** Path of the container's network namespace. */
  netns?: string;
  /** The interface's name in the container. */
  ifName?: string;
  /** CNI_ARGS, as pairs or as text. */
  args?: readonly (readonly [key: string, value: string])[] | string;
  /** Directories to find further plugins in. */
  path: readonly string[];
}

/**
 * Adds the parameters of a request to `base`. Every variable is set, so that the plugin gets none
 * of the caller's own.
 *
 * @throws {CniError} code 4 when a pair in `args` cannot be written in CNI_ARGS.
 */
export function pluginEnv(
  { command, containerId = "", netns = "", ifName = "", args = "", path }: PluginArgs,
  base: Readonly<Record<string, string>> = callerEnvironment(),
): Record<string, string> {
  return {
    ...base,
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_ARGS: typeof args === "string" ? args : formatArgs(args),
    CNI_IFNAME: ifName,
    CNI_PATH: path.join(":"),
  };
}

/**
 * Makes the environment of a delegated plugin: this plugin's own parameters, and `command`.
 */
export function inheritArgs(
  command: string,
  base: Readonly<Record<string, string>> = callerEnvironment(),
): Record<string, string> {
  return { ...base, CNI_COMMAND: command };
}
