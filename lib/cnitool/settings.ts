/** The settings in the environment, and their defaults. */
import { splitPath } from "../invoke/find.ts";
import { parseObject } from "../libcni/conf.ts";
import { runtime } from "../runtime/mod.ts";
import { parseArgs } from "../types/args.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import type { JsonObject } from "../types/json.ts";

const DEFAULTS = { CNI_PATH: "/opt/cni/bin", NETCONFPATH: "/etc/cni/net.d", CNI_IFNAME: "eth0" };

/** The environment variables that cnitool reads, for its help. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  CNI_PATH: `directories with plugins, separated by colons; else ${DEFAULTS.CNI_PATH}`,
  NETCONFPATH: `directory with network configurations; else ${DEFAULTS.NETCONFPATH}`,
  CNI_ARGS: "arguments for the plugins: KEY=VALUE;KEY=VALUE",
  CAP_ARGS: 'values for capabilities, a JSON object: {"portMappings": […]}',
  CNI_IFNAME: `the interface's name in the container; else ${DEFAULTS.CNI_IFNAME}`,
};

function setting(name: keyof typeof DEFAULTS): string {
  return runtime.env(name) || DEFAULTS[name];
}

/** Lists the directories in CNI_PATH. */
export function pluginPath(): string[] {
  return splitPath(setting("CNI_PATH"));
}

/** Reads NETCONFPATH. */
export function networkDirectory(): string {
  return setting("NETCONFPATH");
}

/** Returns the interface's name: `option`, else CNI_IFNAME. */
export function interfaceName(option: string | undefined): string {
  return option || setting("CNI_IFNAME");
}

/** Reads CNI_ARGS. @throws {CniError} code 4 for a pair without key or value */
export function cniArgs(): [string, string][] {
  const pairs = parseArgs(runtime.env("CNI_ARGS") ?? "");
  for (const [key, value] of pairs) {
    if (key && value) continue;
    throw CniError.invalidEnvironment(
      `invalid CNI_ARGS pair ${quote(`${key}=${value}`)}: it needs a key and a value`,
    );
  }
  return pairs;
}

/** Reads CAP_ARGS. @throws {CniError} code 4 for what is no JSON object */
export function capabilityArgs(): JsonObject {
  const text = runtime.env("CAP_ARGS") ?? "";
  if (text === "") return {};
  try {
    return parseObject(text);
  } catch (error) {
    throw CniError.invalidEnvironment(`CAP_ARGS: ${CniError.from(error).message}`);
  }
}
