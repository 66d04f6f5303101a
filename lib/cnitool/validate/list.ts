/** Checks a list: its keys, its plugins, and their combination. */
import { didYouMean } from "../../cli/suggest.ts";
import { knownPlugin } from "../../skel/known_plugins.ts";
import { parseNetworkList } from "../../libcni/conf.ts";
import { CniError } from "../../types/error.ts";
import { getFold, isObject, type JsonObject } from "../../types/json.ts";
import { jsonSchemaOf } from "../../types/schema.ts";
import { validateNetworkName } from "../../types/names.ts";
import { networkList } from "../../types/netconf_schema.ts";
import { problemsIn } from "../../types/options.ts";
import { SPEC_VERSIONS } from "../../types/versions.ts";
import { type AddressPool, checkAddresses, checkRanges } from "./addresses.ts";
import type { Document } from "./finding.ts";
import { checkPlugin, textOf } from "./plugin.ts";

/** A plugin's object, and its path in the document. */
export interface PluginPart {
  path: readonly PropertyKey[];
  type: string;
  config: JsonObject;
}

/** A network that was checked, and what of it is compared with others. */
export interface CheckedNetwork {
  document: Document;
  name: string;
  cniVersion: string;
  plugins: PluginPart[];
  /** The ranges that host-local gives, with the bridge that the containers are on, or "". */
  pools: (AddressPool & { bridge: string })[];
}

/** Notes what is wrong with a file, as the list or the single plugin that it is. */
export async function checkDocument(document: Document): Promise<CheckedNetwork> {
  const isList = checkKind(document);
  const plugins = isList ? pluginsOf(document.raw) : [{
    path: [],
    type: textOf(document.raw, "type"),
    config: document.raw,
  }];
  const name = isList ? exactText(document.raw, "name") : textOf(document.raw, "name");
  if (isList) await checkListKeys(document);
  else if (name === "") document.note("error", [], 'there is no "name": the network has none');
  if (name !== "") checkName(document, name);
  const cniVersion = checkVersions(document, plugins);
  const pools: CheckedNetwork["pools"] = [];
  for (const { path, config } of plugins) {
    await checkPlugin(document, path, config);
    for (const pool of checkIpam(document, path, config)) {
      pools.push({ ...pool, bridge: bridgeOf(config) });
    }
  }
  await checkOrder(document, plugins);
  return { document, name, cniVersion, plugins, pools };
}

/**
 * Whether a file is a list, by its content. Notes where its name says otherwise: other runtimes go
 * by the name.
 */
function checkKind(document: Document): boolean {
  const { file, raw } = document;
  const isNamedList = file.endsWith(".conflist");
  const plugins = Object.keys(raw).find((key) => key.toLowerCase() === "plugins");
  if (plugins !== undefined && !isNamedList) {
    const message =
      'a list of plugins is for a file whose name ends in ".conflist": others are one plugin';
    document.note("error", [plugins], message, "key");
  }
  if (plugins === undefined && isNamedList && getFold(raw, "type") !== undefined) {
    const message =
      'one plugin by itself is for a file whose name ends in ".conf"; a list has "plugins"';
    document.note("error", ["type"], message, "key");
    return false;
  }
  return isNamedList || plugins !== undefined;
}

/** Notes keys of a list that do not count: they do only as the specification spells them. */
async function checkListKeys(document: Document): Promise<void> {
  const known = Object.keys(jsonSchemaOf(networkList()).properties as JsonObject);
  for (const key of Object.keys(document.raw)) {
    if (known.includes(key)) continue;
    const spelling = known.find((name) => name.toLowerCase() === key.toLowerCase());
    if (spelling) {
      document.note("error", [key], `"${key}" counts only as "${spelling}"`, "key");
      continue;
    }
    const meant = await didYouMean(key, known);
    document.note("warning", [key], `a list has no key "${key}"${meant}`, "key");
  }
  const exact = Object.fromEntries(
    known.flatMap((key) => Object.hasOwn(document.raw, key) ? [[key, document.raw[key]!]] : []),
  );
  for (const { path, message } of problemsIn(networkList(), exact)) {
    document.note("error", path, message);
  }
  if (Array.isArray(exact.plugins) && exact.plugins.length === 0) {
    document.note("error", ["plugins"], '"plugins" is empty: there is nobody to call');
  }
}

function exactText(raw: JsonObject, key: string): string {
  const value = raw[key];
  return typeof value === "string" ? value : "";
}

function pluginsOf({ plugins }: JsonObject): PluginPart[] {
  return (Array.isArray(plugins) ? plugins : []).flatMap((config, index): PluginPart[] =>
    isObject(config) ? [{ path: ["plugins", index], type: textOf(config, "type"), config }] : []
  );
}

function checkName(document: Document, name: string): void {
  try {
    validateNetworkName(name);
  } catch (error) {
    document.note("error", ["name"], CniError.from(error).message);
  }
}

/** Notes versions that do not exist or count. @returns the version that plugins are called with */
function checkVersions(document: Document, plugins: readonly PluginPart[]): string {
  const { raw } = document;
  const isList = Object.hasOwn(raw, "plugins");
  const stated = isList ? exactText(raw, "cniVersion") : textOf(raw, "cniVersion");
  const known: readonly string[] = SPEC_VERSIONS;
  if (stated !== "" && !known.includes(stated)) {
    const message = `there is no version "${stated}" of the specification`;
    document.note("error", ["cniVersion"], `${message}; there are ${known.join(", ")}`);
  }
  if (stated === "" && raw.cniVersions === undefined) {
    const message =
      'without "cniVersion" plugins are called with 0.1.0: no CHECK, no GC, no chaining of results';
    document.note("warning", [], message);
  }
  for (const { path, type, config } of isList ? plugins : []) {
    const own = textOf(config, "cniVersion");
    if (own === "" || own === stated) continue;
    const message = `${type}: "cniVersion" counts for nothing here: the list's does`;
    document.note("warning", [...path, "cniVersion"], message, "key");
  }
  return isList ? versionOf(document.text) ?? stated : stated || "0.1.0";
}

/** Returns the version that the library chooses; undefined where it cannot read the list. */
function versionOf(text: string): string | undefined {
  try {
    return parseNetworkList(text).cniVersion;
  } catch {
    return undefined;
  }
}

function checkIpam(
  document: Document,
  path: readonly PropertyKey[],
  config: JsonObject,
): AddressPool[] {
  const ipam = getFold(config, "ipam");
  if (!isObject(ipam)) return [];
  const at = [...path, "ipam"];
  switch (textOf(ipam, "type")) {
    case "host-local":
      return checkRanges(document, at, ipam);
    case "cluster-local":
      // Networks may have the same subnet: either they share a pool, or they are separate.
      checkRanges(document, at, ipam);
      return [];
    case "static":
      checkAddresses(document, at, ipam);
      return [];
    default:
      return [];
  }
}

/** Returns the bridge that containers are attached to; "" where the plugin has none. */
function bridgeOf(config: JsonObject): string {
  return textOf(config, "type") === "bridge" ? textOf(config, "bridge") || "cni0" : "";
}

/** Checks that the first plugin makes the interface, and that the others are chained. */
async function checkOrder(document: Document, plugins: readonly PluginPart[]): Promise<void> {
  let maker: string | undefined;
  for (const [index, { path, type }] of plugins.entries()) {
    const kind = (await knownPlugin(type))?.kind;
    const at = [...path, "type"];
    if (kind === "meta" && index === 0) {
      const message = `${type} changes what another plugin made, and cannot be the first`;
      document.note("error", at, message);
    } else if (kind === "main" && maker !== undefined) {
      const message = `${type} makes an interface of the same name as ${maker} before it`;
      document.note("error", at, message);
    } else if (kind === "ipam") {
      const message =
        `${type} only gives addresses: it belongs into "ipam" of the plugin that makes the interface`;
      document.note("warning", at, message);
    }
    if (kind === "main") maker = type;
  }
}
