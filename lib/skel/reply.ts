import type { CniError } from "../types/error.ts";
import type { PluginOutput } from "../types/plugin_output.ts";

/** The output of a plugin, and what its process logs of the call. */
export interface Reply extends PluginOutput {
  /** Why the call failed. */
  error?: CniError;
  /** The network's name, where the configuration could be read. */
  network?: string;
}
