/** Network configurations as an administrator writes them (specification, section 1). */
import { readNetConf } from "../types/config.ts";
import { CniError } from "../types/error.ts";
import { mismatch } from "../types/fields.ts";
import { readFlag } from "../types/flag.ts";
import { quote } from "../types/go_text.ts";
import {
  encodeJson,
  isObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  sortKeys,
} from "../types/json.ts";
import { compareVersions, NEWEST } from "../types/versions.ts";
import { messageOf } from "../runtime/errors.ts";

/** One plugin's part of a network. */
export interface PluginConfig {
  /** The name of the plugin's executable. */
  type: string;
  /**
   * The name of the network, where the plugin's own object has one: only then can it be used by
   * itself.
   */
  name: string;
  /** "0.1.0" where the object has none; in a list, the list's counts. */
  cniVersion: string;
  /** Capabilities that the plugin wants values for. */
  capabilities: readonly string[];
  /** The object as it was written, unknown keys included. */
  json: JsonObject;
}

/** A network: a list of plugins that are called one after the other. */
export interface NetworkList {
  /** The network's name; its characters are not checked. */
  name: string;
  /**
   * The newest version among `cniVersion` and `cniVersions` that this library supports; "0.1.0"
   * without either.
   */
  cniVersion: string;
  /** CHECK is not to be called. */
  disableCheck: boolean;
  /** GC is not to be called. */
  disableGC: boolean;
  /** No plugins are to be added from the directory that is named after the network. */
  loadOnlyInlinedPlugins: boolean;
  /** In the order of ADD. */
  plugins: readonly PluginConfig[];
  /** The whole network as JSON, with plugins that other files add to it; the cache keeps it. */
  text: string;
}

/** Parses a JSON object. @throws {CniError} code 6 when `text` is none. */
export function parseObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = parseJson(text);
  } catch (error) {
    throw CniError.decode(messageOf(error));
  }
  if (!isObject(value)) throw CniError.decode(mismatch("", value, "an object"));
  return value;
}

/**
 * Reads a plugin's object. Keys match in any case.
 *
 * @throws {CniError} code 7 naming the key that is wrong.
 */
export function readPluginConfig(json: JsonObject): PluginConfig {
  const { type, name, cniVersion, capabilities = {} } = readNetConf(json);
  if (type === "") {
    throw CniError.invalidConfig(
      `missing 'type': ${mismatch("type", json.type, "the plugin's name")}`,
    );
  }
  const wanted = Object.keys(capabilities).filter((capability) => capabilities[capability]);
  return { type, name, cniVersion, capabilities: wanted, json };
}

/**
 * Reads a network configuration list. Its own keys, other than those of the plugins, count only as
 * the specification spells them. The list may have no plugins when some may come from elsewhere.
 *
 * @throws {CniError} code 6 when it is not JSON, 7 naming the key that is wrong.
 */
export function parseNetworkList(text: string): NetworkList {
  try {
    return readNetworkList(parseObject(text), text);
  } catch (error) {
    throw CniError.from(error).withContext("error parsing configuration list");
  }
}

function readNetworkList(raw: JsonObject, text: string): NetworkList {
  if (raw.name === undefined || raw.name === "") {
    throw CniError.invalidConfig(
      `no name: ${mismatch("name", raw.name, "the name of the network")}`,
    );
  }
  if (typeof raw.name !== "string") {
    throw CniError.invalidConfig(mismatch("name", raw.name, "a string"));
  }
  const loadOnlyInlinedPlugins = readBoolean(raw, "loadOnlyInlinedPlugins");
  if (loadOnlyInlinedPlugins && raw.plugins === undefined) {
    throw CniError.invalidConfig(
      "`loadOnlyInlinedPlugins` is true, and no 'plugins' key: nothing would be left to call",
    );
  }
  return {
    name: raw.name,
    cniVersion: chooseVersion(raw),
    disableCheck: readBoolean(raw, "disableCheck"),
    disableGC: readBoolean(raw, "disableGC"),
    loadOnlyInlinedPlugins,
    plugins: raw.plugins === undefined ? [] : readPlugins(raw.plugins),
    text,
  };
}

/** Reads a boolean, false where it is absent. */
function readBoolean(raw: JsonObject, key: string): boolean {
  const value = raw[key] ?? false;
  const flag = readFlag(value);
  if (flag === undefined) throw CniError.invalidConfig(mismatch(key, value, "true or false"));
  return flag;
}

/**
 * Chooses the newest of `cniVersions` and `cniVersion` that this library supports. Without
 * `cniVersions`, `cniVersion` unchecked.
 */
function chooseVersion({ cniVersion = "", cniVersions }: JsonObject): string {
  if (typeof cniVersion !== "string") {
    throw CniError.invalidConfig(mismatch("cniVersion", cniVersion, "a string"));
  }
  if (cniVersions === undefined) return cniVersion || "0.1.0";
  if (!Array.isArray(cniVersions)) {
    throw CniError.invalidConfig(mismatch("cniVersions", cniVersions, "a list"));
  }
  let newest: string | undefined;
  for (const [index, version] of [...cniVersions, ...(cniVersion ? [cniVersion] : [])].entries()) {
    const key = index < cniVersions.length ? `cniVersions[${index}]` : "cniVersion";
    if (typeof version !== "string") {
      throw CniError.invalidConfig(mismatch(key, version, "a string"));
    }
    try {
      if (compareVersions(version, NEWEST) > 0) continue;
      if (newest === undefined || compareVersions(version, newest) > 0) newest = version;
    } catch (error) {
      throw CniError.invalidConfig(`${quote(key)}: ${messageOf(error)}`);
    }
  }
  return newest ?? (cniVersion || "0.1.0");
}

function readPlugins(plugins: JsonValue): PluginConfig[] {
  if (!Array.isArray(plugins)) {
    throw CniError.invalidConfig(mismatch("plugins", plugins, "a list of objects"));
  }
  if (plugins.length === 0) throw CniError.invalidConfig('no plugins in list: "plugins" is empty');
  return plugins.map((plugin, index) => {
    try {
      if (!isObject(plugin)) {
        throw CniError.invalidConfig(mismatch(`plugins[${index}]`, plugin, "an object"));
      }
      return readPluginConfig(plugin);
    } catch (error) {
      throw CniError.from(error).withContext(`failed to parse plugin config ${index}`);
    }
  });
}

/**
 * Parses a network from its {@linkcode NetworkList.text}: a list, or one plugin's object.
 *
 * @throws {CniError} code 6 when it is not JSON, 7 naming the key that is wrong.
 */
export function parseNetwork(text: string): NetworkList {
  const raw = parseObject(text);
  return raw.plugins === undefined ? listOf(readPluginConfig(raw)) : parseNetworkList(text);
}

/** Makes a list of one plugin that was configured by itself, the form before 0.3.0. */
export function listOf({ name, cniVersion, json }: PluginConfig): NetworkList {
  return parseNetworkList(encodeJson(sortKeys({ name, cniVersion, plugins: [json] })));
}
