import { runtime } from "../runtime/mod.ts";
import { readNetConf } from "../types/config.ts";
import { CniError } from "../types/error.ts";
import { isObject, parseJson } from "../types/json.ts";
import { readOptions } from "../types/options.ts";
import type { Call, Plugin } from "./plugin.ts";

/**
 * Makes the call that a plugin's functions get outside of a command.
 *
 * @param text the plugin's configuration, as STATUS would get it
 * @throws {CniError} code 6 or 7 where that is wrong
 */
export function inspectionCall<O>(plugin: Plugin<O>, text: string): Call<O> {
  const raw = parseJson(text);
  if (!isObject(raw)) throw CniError.decode("the network configuration must be one JSON object");
  const options = plugin.options ? readOptions(plugin.options(), raw, plugin.name) : {} as O;
  return { config: readNetConf(raw), options, raw, text, env: runtime.environment() };
}
