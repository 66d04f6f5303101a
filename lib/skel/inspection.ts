import { runtime } from "../runtime/mod.ts";
import { readNetConf } from "../types/config.ts";
import { CniError } from "../types/error.ts";
import { isObject, parseJson } from "../types/json.ts";
import { readOptions } from "../types/options.ts";
import type { Attachment } from "../types/attachment.ts";
import { parseResult } from "../types/read_result.ts";
import type { AttachmentCall, Call, Plugin } from "./plugin.ts";

/**
 * Makes the call that a plugin's functions get outside of a command.
 *
 * @param text the plugin's configuration, as STATUS would get it
 * @throws {CniError} code 6 or 7 where that is wrong
 */
export async function inspectionCall<O>(plugin: Plugin<O>, text: string): Promise<Call<O>> {
  const raw = parseJson(text);
  if (!isObject(raw)) throw CniError.decode("the network configuration must be one JSON object");
  const options = plugin.options ? readOptions(await plugin.options(), raw, plugin.name) : {} as O;
  return { config: readNetConf(raw), options, raw, text, env: runtime.environment() };
}

/**
 * Makes the call that a plugin's functions get about an attachment, outside of a command.
 *
 * @param text the plugin's configuration, as CHECK would get it
 * @param netns path of the container's namespace
 * @param args CNI_ARGS
 * @throws {CniError} code 6 or 7 where the configuration is wrong
 */
export async function attachmentInspectionCall<O>(
  plugin: Plugin<O>,
  text: string,
  attachment: Attachment,
  { netns, args }: { netns: string; args: string },
): Promise<AttachmentCall<O>> {
  const call = await inspectionCall(plugin, text);
  const { containerId, ifName } = attachment;
  const { prevResult, cniVersion } = call.config;
  return {
    ...call,
    attachment,
    containerId,
    ifName,
    netns,
    args,
    prevResult: prevResult && parseResult(prevResult, cniVersion),
  };
}
