/**
 * The configuration that a plugin gets on standard input (specification, section 3, "Deriving
 * execution configuration").
 */
import type { Attachment } from "../types/attachment.ts";
import { encodeJson, type JsonObject } from "../types/json.ts";
import type { PluginConfig } from "./conf.ts";

/** The keys that every plugin of a network gets. */
export interface Network {
  name: string;
  cniVersion: string;
}

/**
 * Makes the configuration of `plugin` for ADD, CHECK or DEL.
 *
 * @param prevResult in the network's version
 * @param capabilityArgs the runtime's values; the plugin gets those that it has the capability for
 */
export function attachmentRequest(
  plugin: PluginConfig,
  network: Network,
  prevResult: JsonObject | undefined,
  capabilityArgs: JsonObject = {},
): string {
  const wanted = plugin.capabilities.filter((name) => Object.hasOwn(capabilityArgs, name));
  const runtimeConfig = Object.fromEntries(wanted.map((name) => [name, capabilityArgs[name]!]));
  return inject(plugin, {
    ...keysOf(network),
    ...(prevResult ? { prevResult } : {}),
    ...(wanted.length > 0 ? { runtimeConfig } : {}),
  });
}

/** Makes the configuration of `plugin` for STATUS. */
export function statusRequest(plugin: PluginConfig, network: Network): string {
  return inject(plugin, keysOf(network));
}

/** Makes the configuration of `plugin` for GC: attachments not in `valid` may be removed. */
export function gcRequest(
  plugin: PluginConfig,
  network: Network,
  valid: readonly Attachment[],
): string {
  const attachments = valid.filter((one) => one.network === network.name).map((
    { containerId, ifName },
  ) => ({ containerID: containerId, ifname: ifName }));
  return inject(plugin, {
    ...keysOf(network),
    "cni.dev/valid-attachments": attachments,
    // The key's first name in libcni, a mistake; plugins of that time read it.
    "cni.dev/attachments": attachments,
  });
}

function keysOf({ name, cniVersion }: Network): JsonObject {
  return { name, cniVersion };
}

/**
 * Adds `values`, which replace the plugin's own. They come last: Go programs use the last of `a`
 * and `A`.
 */
function inject({ json }: PluginConfig, values: JsonObject): string {
  const own = Object.entries(json).filter(([key]) => !Object.hasOwn(values, key));
  return encodeJson({ ...Object.fromEntries(own), ...values });
}
