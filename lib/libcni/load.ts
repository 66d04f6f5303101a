/** Finds network configurations in files and directories. */
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import { encodeJson, getFold, type JsonObject } from "../types/json.ts";
import { validateNetworkName } from "../types/names.ts";
import { errnoCode, ifPresent, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import {
  listOf,
  type NetworkList,
  parseNetworkList,
  parseObject,
  type PluginConfig,
  readPluginConfig,
} from "./conf.ts";

/** Options of loading. */
export interface LoadOptions {
  /** Called for every file that was skipped because its network's name could not be read. */
  warn?: (message: string) => void;
}

/**
 * Loads the network `name` from the configuration directory: the first `*.conflist` that has it, by
 * file name, else the first `*.conf` or `*.json` (one plugin by itself).
 *
 * Errors in files of other networks are ignored.
 *
 * @throws {CniError} code 7 when there is no such network, listing the networks that exist and the
 * files that could not be read; code 6 or 7 when its file is wrong; code 5 when the directory
 * cannot be read.
 */
export function loadNetwork(
  directory: string,
  name: string,
  { warn }: LoadOptions = {},
): NetworkList {
  const names = new Set<string>();
  const broken: string[] = [];
  const files = networkFiles(directory);
  for (const file of files) {
    let found: string;
    try {
      found = nameIn(file);
    } catch (error) {
      broken.push(messageOf(error));
      warn?.(`passed over ${messageOf(error)}`);
      continue;
    }
    if (found === name) return loadNetworkFile(file);
    if (found !== "") names.add(found);
  }
  if (files.length === 0) {
    throw CniError.invalidConfig(
      `no net configurations found in ${directory}: put a .conflist file there, or name another directory`,
    );
  }
  const known = names.size > 0
    ? `the networks there are ${[...names].join(", ")}`
    : "there is none there";
  throw CniError.invalidConfig(
    `no net configuration with name ${quote(name)} in ${directory}: ${known}`,
    broken.length > 0 ? `could not be read: ${broken.join("; ")}` : "",
  );
}

/** A configuration file, and the network in it or what is wrong with it. */
export interface NetworkFile {
  /** Its path. */
  file: string;
  /** The network in it; undefined where that cannot be read. */
  network?: NetworkList;
  /** What is wrong with it; undefined where nothing is. */
  error?: CniError;
}

/**
 * Loads every configuration file of a directory, lists first, in the order in which
 * {@linkcode loadNetwork} reads them: of two networks with one name the first counts.
 *
 * @throws {CniError} code 5 when the directory cannot be read
 */
export function loadNetworks(directory: string): NetworkFile[] {
  return networkFiles(directory).map((file) => {
    try {
      return { file, network: loadNetworkFile(file) };
    } catch (error) {
      return { file, error: CniError.from(error) };
    }
  });
}

/**
 * Loads the network in one file, with the plugins in the directory beside the file that is named
 * after the network.
 *
 * @throws {CniError} code 5 when a file cannot be read, 6 or 7 when one is wrong, always naming it.
 */
export function loadNetworkFile(file: string): NetworkList {
  return inFile(file, () => {
    const text = readConf(file);
    const raw = parseObject(text);
    if (!isList(file, raw)) return listOf(readSingle(raw));
    const list = parseNetworkList(text);
    const added = list.loadOnlyInlinedPlugins ? [] : pluginsBeside(file, list.name);
    const plugins = [...list.plugins, ...added];
    if (plugins.length === 0) {
      throw CniError.invalidConfig(
        `no plugin configs found: "plugins" is missing, and so is a directory ${list.name}/`,
      );
    }
    return added.length === 0 ? list : { ...list, plugins, text: textOf(raw, plugins) };
  });
}

/** Writes a list as one file, with the plugins that were in files beside it. */
function textOf(raw: JsonObject, plugins: readonly PluginConfig[]): string {
  const inlined = { plugins: plugins.map(({ json }) => json), loadOnlyInlinedPlugins: true };
  return encodeJson({ ...raw, ...inlined });
}

function isList(file: string, raw: JsonObject): boolean {
  return file.endsWith(".conflist") || raw.plugins !== undefined;
}

function readSingle(raw: JsonObject) {
  const plugin = readPluginConfig(raw);
  if (plugin.name === "") throw CniError.invalidConfig('missing network name: "name" must be set');
  return plugin;
}

/** Reads the plugins in `NETWORK/*.conf` beside `file`, by file name. */
function pluginsBeside(file: string, network: string) {
  validateNetworkName(network);
  const slash = file.lastIndexOf("/");
  const directory = `${slash < 0 ? "" : file.slice(0, slash + 1)}${network}`;
  return confFiles(directory, [".conf"]).map((path) =>
    inFile(path, () => readPluginConfig(parseObject(readConf(path))))
  );
}

/** Reads the name of the network in `file`; "" when a single plugin's configuration has none. */
function nameIn(file: string): string {
  return inFile(file, () => {
    const raw = parseObject(readConf(file));
    const name = file.endsWith(".conflist") ? raw.name : getFold(raw, "name") ?? "";
    if (typeof name === "string") return name;
    throw CniError.invalidConfig('no name: "name" must be a string');
  });
}

/** Lists the files: those of lists, then those of single plugins. */
function networkFiles(directory: string): string[] {
  return [...confFiles(directory, [".conflist"]), ...confFiles(directory, [".conf", ".json"])];
}

/** Lists files with one of the extensions, by name; none when there is no such directory. */
function confFiles(directory: string, extensions: readonly string[]): string[] {
  let names: string[];
  try {
    names = ifPresent(() => runtime.files.list(directory)) ?? [];
  } catch (error) {
    throw CniError.io(
      `cannot read the directory ${directory}: ${errnoCode(error) ?? messageOf(error)}`,
    );
  }
  return names
    .filter((name) => extensions.some((extension) => name.endsWith(extension)))
    .map((name) => `${directory}/${name}`)
    .filter((path) => !ifPresent(() => runtime.files.stat(path))?.isDirectory)
    .sort();
}

function readConf(file: string): string {
  try {
    return runtime.files.readText(file);
  } catch (error) {
    throw CniError.io(`cannot read it: ${errnoCode(error) ?? messageOf(error)}`);
  }
}

/** Names `file` in the errors of `read`. */
function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw CniError.from(error).withContext(file);
  }
}
