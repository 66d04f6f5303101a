import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { columns, duration } from "../../cli/text.ts";
import type { CachedAttachment } from "../../libcni/cache.ts";
import { loadNetworks, type NetworkFile } from "../../libcni/load.ts";
import { CniError } from "../../types/error.ts";
import { addedMs, type AttachmentState, resultOf, stateOf } from "../attachment_state.ts";
import { openCni } from "../open_cni.ts";
import { NETWORK } from "../operands.ts";
import { networkDirectory } from "../settings.ts";

/** `cnitool list` */
export const list: Command = {
  name: "list",
  operands: [{ ...NETWORK, optional: true }],
  summary: "list networks and what is attached to them, by whatever runtime",
  description:
    `Attachments are those in /var/lib/cni/results, where libcni keeps them. Whether one still is, the
kernel is asked: its namespace may be gone, or there without the interface.`,
  options: [JSON_OPTION],
  example: "cnitool list",
  json: `{ networks: {
    name: string;
    file?: string;         // absent where it has no configuration any more
    cniVersion?: string; plugins?: string[];
    shadowed?: true;       // a file before this one has a network of that name
    error?: Error;         // the file cannot be read; the name is "" then
    attachments: {
      containerID: string; ifname: string; netns: string;
      state: "attached" | "namespace gone" | "interface gone";
      addresses: string[];
      hostInterfaces: string[];
      added: string;       // ISO 8601
    }[] }[] }`,
  failing: () => "list what is attached",
  run(line) {
    const [name] = line.operands;
    const all = describeNetworks(
      loadNetworks(networkDirectory()),
      openCni().getCachedAttachments(),
    );
    const networks = all.filter((network) => name === undefined || network.name === name);
    if (name !== undefined && networks.length === 0) {
      const names = new Set(all.map((network) => network.name).filter(Boolean));
      const known = [...names].join(", ") || "none";
      throw CniError.invalidConfig(
        `there is no network ${
          JSON.stringify(name)
        }, and nothing attached to one; there are ${known}`,
      );
    }
    print(
      line,
      { networks },
      () =>
        networks.length === 0
          ? [`no networks in ${networkDirectory()}, and nothing attached to one`]
          : networks.flatMap(linesOf),
    );
    return 0;
  },
};

interface ListedNetwork {
  name: string;
  file?: string;
  cniVersion?: string;
  plugins?: string[];
  shadowed?: true;
  error?: object;
  attachments: ListedAttachment[];
}

interface ListedAttachment {
  containerID: string;
  ifname: string;
  netns: string;
  state: AttachmentState;
  addresses: string[];
  hostInterfaces: string[];
  added: string;
}

/** Describes networks in the order of their files; those that only the cache has come last. */
function describeNetworks(
  files: readonly NetworkFile[],
  attachments: readonly CachedAttachment[],
): ListedNetwork[] {
  const seen = new Set<string>();
  const attachedTo = (network: string) =>
    attachments.filter((one) => one.network === network).flatMap(describe);
  const configured = files.map(({ file, network, error }): ListedNetwork => {
    if (!network) return { name: "", file, error: error?.toJson(), attachments: [] };
    const { name, cniVersion } = network;
    const plugins = network.plugins.map(({ type }) => type);
    if (seen.has(name)) return { name, file, cniVersion, plugins, shadowed: true, attachments: [] };
    seen.add(name);
    return { name, file, cniVersion, plugins, attachments: attachedTo(name) };
  });
  const others = new Set(attachments.map(({ network }) => network)).difference(seen);
  return [
    ...configured,
    ...Array.from(others, (name) => ({ name, attachments: attachedTo(name) })),
  ];
}

/** Describes an attachment; returns nothing for one that was deleted meanwhile. */
function describe(attachment: CachedAttachment): ListedAttachment[] {
  const added = addedMs(attachment);
  if (added === undefined) return [];
  const { containerId, ifName, netns } = attachment;
  const { ips = [], interfaces = [] } = resultOf(attachment);
  return [{
    containerID: containerId,
    ifname: ifName,
    netns,
    state: stateOf(attachment),
    addresses: ips.map(({ address }) => address),
    hostInterfaces: interfaces.filter(({ sandbox }) => !sandbox).map(({ name }) => name),
    added: new Date(added).toISOString(),
  }];
}

function linesOf(network: ListedNetwork): string[] {
  const { name, file, cniVersion, plugins = [], shadowed, error, attachments } = network;
  if (error) return [`${file}: cannot be read: ${CniError.fromJson({ ...error })?.message}`];
  if (!file) return [`${name}: no configuration any more`, ...attachmentLines(attachments)];
  const about = `${name}: ${cniVersion}, ${plugins.join(" ")}, ${file}`;
  if (shadowed) return [`${about}; never used: a file before it has a network of that name`];
  return [about, ...attachmentLines(attachments)];
}

function attachmentLines(attachments: readonly ListedAttachment[]): string[] {
  if (attachments.length === 0) return ["  nothing attached"];
  return columns([
    ["CONTAINER", "INTERFACE", "ADDRESSES", "HOST", "SINCE", "NAMESPACE"],
    ...attachments.map((
      { containerID, ifname, netns, state, addresses, hostInterfaces, added },
    ) => [
      containerID,
      ifname,
      addresses.join(" ") || "no address",
      hostInterfaces.join(" ") || "-",
      duration(Date.now() - Date.parse(added)),
      state === "attached" ? netns : `${netns || "no namespace"} (${state})`,
    ]),
  ], "  ");
}
