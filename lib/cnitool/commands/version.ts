import { type Command, JSON_OPTION } from "../../cli/command.ts";
import type { CommandLine } from "../../cli/command_line.ts";
import { print } from "../../cli/output.ts";
import { findInPath } from "../../invoke/find.ts";
import type { NetworkList } from "../../libcni/conf.ts";
import { messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { BUILD_VERSION } from "../../skel/build_version.ts";
import { isObject } from "../../types/json.ts";
import { SPEC_VERSIONS } from "../../types/versions.ts";
import { findNetwork } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { NETWORK } from "../operands.ts";
import { pluginPath } from "../settings.ts";

/** `cnitool version` */
export const version: Command = {
  name: "version",
  operands: [{ ...NETWORK, optional: true }],
  summary: "print cnitool's version, and what the plugins that a network uses support",
  options: [JSON_OPTION],
  example: "cnitool version demo",
  json: `{ cnitool: string; runtime: string; supportedVersions: string[] }, or of a network
{ cnitool: string; runtime: string;
  network: { name: string; cniVersion: string;
    plugins: { type: string; file?: string; supportedVersions?: string[]; error?: string }[] } }`,
  failing: ({ operands: [network] }) => `say what the plugins of ${network} support`,
  run: printVersion,
};

/** The versions that a plugin supports, or why they are unknown. */
interface PluginVersion {
  type: string;
  file?: string;
  supportedVersions?: readonly string[];
  error?: string;
}

async function printVersion(line: CommandLine): Promise<number> {
  const own = { cnitool: BUILD_VERSION, runtime: `${runtime.name} ${runtime.version}` };
  const [name] = line.operands;
  if (name === undefined) {
    print(line, { ...own, supportedVersions: SPEC_VERSIONS }, () => [
      `cnitool ${own.cnitool} (${own.runtime})`,
      `CNI protocol versions supported: ${SPEC_VERSIONS.join(", ")}`,
    ]);
    return 0;
  }
  const network = findNetwork(name);
  const plugins: PluginVersion[] = [];
  for (const type of typesIn(network)) plugins.push(await askVersion(type));
  const { cniVersion } = network;
  print(line, { ...own, network: { name: network.name, cniVersion, plugins } }, () => [
    `cnitool ${own.cnitool} (${own.runtime})`,
    `network ${network.name}, version ${cniVersion}`,
    ...plugins.map(({ type, file, supportedVersions, error }) =>
      `  ${type}: ${error ?? `${supportedVersions!.join(", ")} (${file})`}`
    ),
  ]);
  return plugins.every(({ supportedVersions }) => supportedVersions?.includes(cniVersion)) ? 0 : 1;
}

/** Lists the plugins of a network, and the IPAM plugins that they call. */
function typesIn({ plugins }: NetworkList): Set<string> {
  return new Set(plugins.flatMap(({ type, json: { ipam } }) => {
    const delegate = isObject(ipam) && typeof ipam.type === "string" ? ipam.type : "";
    return delegate === "" ? [type] : [type, delegate];
  }));
}

async function askVersion(type: string): Promise<PluginVersion> {
  try {
    const file = findInPath(type, pluginPath());
    return { type, file, supportedVersions: await openCni().getVersionInfo(type) };
  } catch (error) {
    return { type, error: messageOf(error) };
  }
}
