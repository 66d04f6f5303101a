/** One plugin's configuration: its keys, their values, and the capabilities that it asks for. */
import { didYouMean } from "../../cli/suggest.ts";
import { knownNames, knownPlugin } from "../../skel/known_plugins.ts";
import type { Plugin } from "../../skel/plugin.ts";
import { getFold, isObject, type JsonObject } from "../../types/json.ts";
import { jsonSchemaOf } from "../../types/schema.ts";
import { netConf } from "../../types/netconf_schema.ts";
import { problemsIn } from "../../types/options.ts";
import type { Document } from "./finding.ts";
import { noteUnknownKeys } from "./keys.ts";

/** The capabilities of CNI's conventions (`CONVENTIONS.md` beside the specification). */
const CAPABILITIES = [
  "portMappings",
  "ipRanges",
  "bandwidth",
  "dns",
  "ips",
  "mac",
  "infinibandGUID",
  "deviceID",
  "aliases",
  "cgroupPath",
];

/** Plugins that do nothing without the runtime's values. */
const NEEDED: Readonly<Record<string, { capability: string; instead: readonly string[] }>> = {
  portmap: { capability: "portMappings", instead: [] },
  bandwidth: { capability: "bandwidth", instead: ["ingressRate", "egressRate"] },
};

/** Notes what is wrong with the plugin object that a path leads to. */
export async function checkPlugin(
  document: Document,
  path: readonly PropertyKey[],
  config: JsonObject,
): Promise<void> {
  const type = textOf(config, "type");
  const name = type || "the plugin";
  for (const problem of problemsIn(netConf(), config)) {
    document.note("error", [...path, ...problem.path], `${name}: ${problem.message}`);
  }
  if (type === "") return;
  const { plugin, kind } = await knownPlugin(type) ?? {};
  const ipam = getFold(config, "ipam");
  const ipamPlugin = isObject(ipam) ? await checkIpam(document, path, ipam, config) : undefined;
  if (plugin) {
    await noteWrongValues(document, path, plugin, config);
    const common = jsonSchemaOf(netConf());
    const own = await optionsSchemaOf(plugin);
    // Keys under "ipam" are read by the IPAM plugin, which may be of another project.
    const { ipam: _, ...properties } = {
      ...common.properties as JsonObject,
      ...own.properties as JsonObject ?? {},
    };
    const schema = { properties: { ...properties, ...kind === "meta" ? {} : { ipam: {} } } };
    await noteUnknownKeys(document, path, config, schema, type);
  }
  await checkCapabilities(document, path, config, [plugin, ipamPlugin]);
}

/** Notes what is wrong under "ipam". @returns the IPAM plugin where it is one of this project */
async function checkIpam(
  document: Document,
  path: readonly PropertyKey[],
  ipam: JsonObject,
  config: JsonObject,
): Promise<Plugin | undefined> {
  const type = textOf(ipam, "type");
  const at = [...path, "ipam"];
  if (type === "") {
    if (Object.keys(ipam).length > 0) {
      document.note("error", at, '"ipam" has no "type": nobody is asked for addresses');
    }
    return undefined;
  }
  const { plugin, kind } = await knownPlugin(type) ?? {};
  if (!plugin) return undefined;
  if (kind !== "ipam") {
    const others = knownNames("ipam").join(", ");
    document.note("error", [...at, "type"], `${type} gives no addresses; ${others} do`);
    return undefined;
  }
  await noteWrongValues(document, path, plugin, config, "ipam");
  const schema = await optionsSchemaOf(plugin);
  const properties = (schema.properties as JsonObject | undefined)?.ipam as JsonObject | undefined;
  await noteUnknownKeys(document, at, ipam, {
    properties: { type: {}, ...properties?.properties as JsonObject ?? {} },
  }, type);
  return plugin;
}

/** Notes values that the plugin's schema refuses. @param part only problems below this key */
async function noteWrongValues(
  document: Document,
  path: readonly PropertyKey[],
  { name, options }: Plugin,
  config: JsonObject,
  part?: string,
): Promise<void> {
  for (const problem of options ? problemsIn(await options(), config) : []) {
    if (part !== undefined && problem.path[0] !== part) continue;
    document.note("error", [...path, ...problem.path], `${name}: ${problem.message}`);
  }
}

async function checkCapabilities(
  document: Document,
  path: readonly PropertyKey[],
  config: JsonObject,
  readers: readonly (Plugin | undefined)[],
): Promise<void> {
  const type = textOf(config, "type");
  const stated = getFold(config, "capabilities");
  const capabilities = isObject(stated) ? stated : {};
  const isKnown = readers[0] !== undefined;
  const read = await Promise.all(readers.map(capabilitiesOf));
  const used = [...read.flat(), NEEDED[type]?.capability ?? ""].filter(Boolean);
  for (const name of Object.keys(capabilities)) {
    const at = [...path, "capabilities", name];
    if (!CAPABILITIES.includes(name)) {
      const meant = await didYouMean(name, CAPABILITIES);
      document.note("warning", at, `no runtime knows the capability "${name}"${meant}`, "key");
    } else if (isKnown && !used.includes(name)) {
      const known = used.length > 0 ? `; it uses ${used.join(", ")}` : "";
      document.note(
        "warning",
        at,
        `${type} has no use for the capability "${name}"${known}`,
        "key",
      );
    }
  }
  const needed = NEEDED[type];
  if (!needed || capabilities[needed.capability] === true) return;
  if (needed.instead.some((key) => getFold(config, key) !== undefined)) return;
  document.note(
    "warning",
    path,
    `${type} gets nothing to do from the runtime without "capabilities": {"${needed.capability}": true}`,
  );
}

/** Lists the capabilities that a plugin reads in `runtimeConfig`. */
async function capabilitiesOf(plugin: Plugin | undefined): Promise<string[]> {
  const schema = plugin ? await optionsSchemaOf(plugin) : {};
  const { runtimeConfig } = (schema.properties ?? {}) as JsonObject;
  const { properties = {} } = (runtimeConfig ?? {}) as JsonObject;
  return Object.keys(properties as JsonObject);
}

/** Returns the JSON Schema of a plugin's options; empty where it has none. */
async function optionsSchemaOf({ options }: Plugin): Promise<JsonObject> {
  return options ? jsonSchemaOf(await options()) : {};
}

/** Returns the text of a key, in whatever case it is written; "" where it has none. */
export function textOf(config: JsonObject, key: string): string {
  const value = getFold(config, key);
  return typeof value === "string" ? value : "";
}
