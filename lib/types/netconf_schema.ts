/**
 * The keys that every plugin's configuration and every list may have, as schemas: for editors, and
 * for commands that check a configuration before it is used. Plugins and runtimes read
 * configurations with `readNetConf` and libcni's `parseNetworkList`. Specification, section 1.
 *
 * @module
 */
import { readFlag } from "./flag.ts";
import { isObject, type JsonValue } from "./json.ts";
import { customSchema, goObject, list, optional, string } from "./schema.ts";
import type { Schema } from "./schema_type.ts";

const texts = () => optional(list(string()));
const object = () =>
  customSchema(
    "an object",
    (value) => isObject(value) ? value : undefined,
    () => ({ type: "object" }),
  );

/** The keys that the configuration of every plugin may have. */
export const netConf = () =>
  goObject({
    /** Version of the specification; in a list, the list's counts. */
    cniVersion: optional(string()),
    /** The network's name; in a list, the list's counts. */
    name: optional(string()),
    /** Name of the plugin's executable, in a directory of CNI_PATH. */
    type: string(),
    /** What the runtime is to give the plugin in `runtimeConfig`, by name: `{"portMappings": true}`. */
    capabilities: optional(customSchema(
      'an object of true and false such as {"portMappings": true}',
      (value) => isObject(value) && Object.values(value).every(isBoolean) ? value : undefined,
      () => ({ type: "object", additionalProperties: { type: "boolean" } }),
    )),
    /** Configuration of the IPAM plugin that gives the container its addresses. */
    ipam: optional(object()),
    /** Name resolution, for the container's result where IPAM tells nothing. */
    dns: optional(goObject({
      /** Addresses of name servers, the preferred first. */
      nameservers: texts(),
      /** The local domain, for names without a dot. */
      domain: optional(string()),
      /** Domains to look names up in, the preferred first. */
      search: texts(),
      /** Options for the resolver, as in resolv.conf(5). */
      options: texts(),
    })),
    /** The result of the plugins before this one; from the runtime. */
    prevResult: optional(object()),
    /** Values for the capabilities; from the runtime. */
    runtimeConfig: optional(object()),
    /** Arguments by the conventions; those for plugins of this field under `cni`. */
    args: optional(object()),
  });

/** The keys of a network configuration list. */
export const networkList = () =>
  goObject({
    /** Version of the specification that plugins are called with. */
    cniVersion: optional(string()),
    /** Versions that may be used; the runtime takes the newest that it speaks. */
    cniVersions: texts(),
    /** The network's name. */
    name: string(),
    /** The runtime must not call CHECK. */
    disableCheck: optional(flag()),
    /** The runtime must not call GC. */
    disableGC: optional(flag()),
    /** Take no plugins from the directory that is named after the network, beside the list. */
    loadOnlyInlinedPlugins: optional(flag()),
    /** In the order of ADD: each is given the result of the one before. */
    plugins: optional(list(object())),
  });

/** Makes the schema of a boolean of a list, which may also be the string `true` or `false`. */
function flag(): Schema<boolean> {
  return customSchema("true or false", readFlag, () => ({ type: "boolean" }));
}

function isBoolean(value: JsonValue): boolean {
  return typeof value === "boolean";
}
