/** Checks that the plugins of a network are installed, and support its version. */
import { didYouMean } from "../../cli/suggest.ts";
import { findInPath } from "../../invoke/find.ts";
import type { Cni } from "../../libcni/cni.ts";
import { ifPresent, messageOf } from "../../runtime/errors.ts";
import { findProgram } from "../../runtime/find_program.ts";
import { runtime } from "../../runtime/mod.ts";
import { getFold, isObject } from "../../types/json.ts";
import type { CheckedNetwork, PluginPart } from "./list.ts";
import { textOf } from "./plugin.ts";

/** Values of options that need a program, by the plugin's type and the option. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "portmap backend iptables": "iptables-restore",
  "firewall backend iptables": "iptables-restore",
  "bridge ipMasqBackend iptables": "iptables-restore",
  "ptp ipMasqBackend iptables": "iptables-restore",
};

/**
 * Notes plugins and programs that are not installed, and versions that a plugin does not support.
 */
export async function checkInstalled(
  network: CheckedNetwork,
  path: readonly string[],
  cni: Cni,
): Promise<void> {
  for (const part of network.plugins) {
    await checkType(network, part.type, [...part.path, "type"], path, cni);
    const ipam = getFold(part.config, "ipam");
    if (isObject(ipam)) {
      const type = textOf(ipam, "type");
      await checkType(network, type, [...part.path, "ipam", "type"], path, cni);
    }
    checkPrograms(network, part);
  }
}

async function checkType(
  { document, cniVersion }: CheckedNetwork,
  type: string,
  at: readonly PropertyKey[],
  path: readonly string[],
  cni: Cni,
): Promise<void> {
  if (type === "") return; // reported already
  try {
    findInPath(type, path);
  } catch {
    const others = path.flatMap((directory) =>
      ifPresent(() => runtime.files.list(directory)) ?? []
    );
    const meant = await didYouMean(type, others);
    const message = `there is no plugin "${type}" in ${path.join(", ")}${meant}`;
    document.note("error", at, message);
    return;
  }
  try {
    const versions = await cni.getVersionInfo(type);
    if (versions.includes(cniVersion)) return;
    document.note("error", at, `${type} speaks ${versions.join(", ")}, not ${cniVersion}`);
  } catch (error) {
    document.note(
      "error",
      at,
      `${type} does not tell which versions it speaks: ${messageOf(error)}`,
    );
  }
}

function checkPrograms({ document }: CheckedNetwork, { path, type, config }: PluginPart): void {
  for (const [use, program] of Object.entries(PROGRAMS)) {
    const [user, option, value] = use.split(" ") as [string, string, string];
    if (type !== user || textOf(config, option) !== value || isInstalled(program)) continue;
    const message = `"${option}" is "${value}", but the program ${program} is not installed`;
    document.note("error", [...path, option], message);
  }
}

function isInstalled(program: string): boolean {
  try {
    return findProgram(runtime.files, program, runtime.env("PATH")) !== "";
  } catch {
    return false;
  }
}
