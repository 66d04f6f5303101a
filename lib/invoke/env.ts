/** The environment that carries a request to a plugin (specification, section 2). */
import { formatArgs } from "../types/args.ts";
import { callerEnvironment } from "../runtime/caller.ts";

/** One request's parameters. What is absent is passed as an empty variable. */
export interface PluginArgs {
  /** CNI_COMMAND. */
  command: string;
  /** CNI_CONTAINERID. */
  containerId?: string;
  /** Path of the container's network namespace. */
  netns?: string;
  /** The interface's name in the container. */
  ifName?: string;
  /** CNI_ARGS, as pairs or ready-made. */
  args?: readonly (readonly [key: string, value: string])[] | string;
  /** Directories to find further plugins in. */
  path: readonly string[];
}

/**
 * `base` with the parameters of a request in it. Every variable is set, so that none of the
 * caller's own reaches the plugin by accident.
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
 * The parameters that this plugin was called with, for a plugin that it calls in turn with
 * `command`.
 */
export function inheritArgs(
  command: string,
  base: Readonly<Record<string, string>> = callerEnvironment(),
): Record<string, string> {
  return { ...base, CNI_COMMAND: command };
}
