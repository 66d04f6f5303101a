/** What cnitool can do, and how each command says what it did. */
import { findInPath } from "../invoke/find.ts";
import type { NetworkList } from "../libcni/conf.ts";
import { printNetworkResult } from "../libcni/network_result.ts";
import type { RuntimeConf } from "../libcni/runtime_conf.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { BUILD_VERSION } from "../skel/build_version.ts";
import { CniError } from "../types/error.ts";
import { encodeJson, isObject } from "../types/json.ts";
import { atLeast, SPEC_VERSIONS } from "../types/versions.ts";
import { explain } from "./explain.ts";
import { heedSignals } from "./interruption.ts";
import { findAttachment, findNetwork, openCni, pluginPath } from "./request.ts";
import { Progress } from "./terminal.ts";
import { readValid } from "./valid_attachments.ts";

/** A parsed command line, without the command itself. */
export interface CommandLine {
  operands: readonly string[];
  ifname: string | undefined;
  json: boolean;
  keep: readonly string[];
  valid: string | undefined;
  all: boolean;
}

/** One command. */
export interface Command {
  /** What stands behind its name, for the usage line; what is in brackets can be left out. */
  operands: string;
  /** One line for the list of commands. */
  summary: string;
  /** The options beside --help, each with its line of help. */
  options: Readonly<Record<string, string>>;
  /** Does it, and returns the exit status. What it throws is explained to the user. */
  run(line: CommandLine): Promise<number> | number;
}

const IFNAME = {
  "-i, --ifname NAME": "the interface's name in the container; else CNI_IFNAME, else eth0",
};
const JSON_OUTPUT = { "--json": "print JSON" };

/** Every command, by name. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  add: {
    operands: "NETWORK NETNS",
    summary: "attach the namespace to the network, and print the result as JSON",
    options: IFNAME,
    async run(line) {
      const { network, rt } = attachmentOf(line);
      const target = `${rt.ifName} in ${rt.netns} to ${network.name}`;
      const del = `cnitool del ${line.operands.join(" ")} -i ${rt.ifName}`;
      let wasAttached = false;
      const remedy = () => wasAttached ? `${del} first: it is attached` : `${del} takes it back`;
      return await attempt(`attach ${target}`, remedy, async (progress) => {
        const cni = openCni(progress);
        wasAttached = cni.getCachedAttachments(rt.containerId).some(({ network: name, ifName }) =>
          name === network.name && ifName === rt.ifName
        );
        const result = await cni.addNetworkList(network, rt);
        const text = encodeJson(printNetworkResult(result, network.cniVersion), 4);
        runtime.write(1, runtime.isTerminal(1) ? `${text}\n` : text);
      });
    },
  },
  check: {
    operands: "NETWORK NETNS",
    summary: "check that the attachment is as add left it",
    options: IFNAME,
    async run(line) {
      const { network, rt } = attachmentOf(line);
      return await attempt(
        `confirm ${rt.ifName} in ${rt.netns} on ${network.name}`,
        undefined,
        (progress) => openCni(progress).checkNetworkList(network, rt),
      );
    },
  },
  del: {
    operands: "NETWORK NETNS",
    summary: "detach the namespace from the network",
    options: IFNAME,
    async run(line) {
      const { network, rt } = attachmentOf(line);
      return await attempt(
        `detach ${rt.ifName} in ${rt.netns} from ${network.name}`,
        () => "it may be repeated: what is gone already is passed over",
        (progress) => openCni(progress).delNetworkList(network, rt),
      );
    },
  },
  gc: {
    operands: "NETWORK [NETNS]",
    summary: "delete the network's attachments that are not valid any more",
    options: {
      "--keep CONTAINERID:IFNAME": "a valid attachment; may be given often. NETNS:IFNAME does too",
      "--valid FILE":
        'JSON list of what is valid: [{"containerID": "…", "ifname": "…"}]; - reads it from stdin',
      "--all": "nothing is valid: delete every attachment",
      ...JSON_OUTPUT,
    },
    async run(line) {
      const network = findNetwork(line.operands[0]!);
      const valid = readValid(network.name, line);
      return await attempt(`clean up ${network.name}`, undefined, async (progress) => {
        const cni = openCni(progress);
        const stale = network.disableGC ? [] : cni.staleAttachments(network, valid);
        await cni.gcNetworkList(network, valid);
        const deleted = stale.map(({ containerId, ifName }) => `${containerId}:${ifName}`);
        print(line, { network: network.name, disableGC: network.disableGC, deleted }, () => {
          if (network.disableGC) return [`${network.name} has disableGC: nothing was done`];
          if (deleted.length === 0) return [`${network.name}: no attachment had to be deleted`];
          return deleted.map((attachment) => `${network.name}: deleted ${attachment}`);
        });
      });
    },
  },
  status: {
    operands: "NETWORK [NETNS]",
    summary: "ask the network's plugins whether they could attach a container",
    options: JSON_OUTPUT,
    async run(line) {
      const network = findNetwork(line.operands[0]!);
      const isAsked = atLeast(network.cniVersion, "1.1.0");
      const facts = { network: network.name, asked: isAsked };
      return await attempt(`say that ${network.name} is ready`, undefined, async (progress) => {
        try {
          await openCni(progress).statusNetworkList(network);
        } catch (error) {
          if (line.json) {
            printJson({ ...facts, ready: false, error: CniError.from(error).toJson() });
          }
          throw error;
        }
        print(line, { ...facts, ready: isAsked || null }, () => [
          isAsked
            ? `${network.name} is ready`
            : `${network.name} cannot be asked: STATUS came with 1.1.0, its version is ${network.cniVersion}`,
        ]);
      });
    },
  },
  version: {
    operands: "[NETWORK]",
    summary: "print cnitool's version, and what the plugins that a network uses support",
    options: JSON_OUTPUT,
    run: (line) => printVersion(line),
  },
};

function attachmentOf(
  { operands, ifname }: CommandLine,
): { network: NetworkList; rt: RuntimeConf } {
  return { network: findNetwork(operands[0]!), rt: findAttachment(operands[1]!, ifname) };
}

/** Does something that may take long or fail, and says so. */
async function attempt(
  what: string,
  remedy: (() => string) | undefined,
  work: (progress: Progress) => Promise<void>,
): Promise<number> {
  heedSignals();
  try {
    using progress = new Progress();
    await work(progress);
    return 0;
  } catch (error) {
    runtime.write(2, explain(error, what, remedy?.()));
    return 1;
  }
}

/** As JSON where that was asked for, else as lines. */
function print({ json }: CommandLine, facts: object, lines: () => string[]): void {
  if (json) printJson(facts);
  else runtime.write(1, lines().join("\n") + "\n");
}

function printJson(facts: object): void {
  runtime.write(1, encodeJson(facts, 4) + "\n");
}

/** What one plugin says, or why it says nothing. */
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

/** The plugins that a network calls, and those that they call for addresses. */
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
