import { YES_OPTION } from "../../cli/ask.ts";
import { type Command, JSON_OPTION } from "../../cli/command.ts";
import type { CommandLine } from "../../cli/command_line.ts";
import { print } from "../../cli/output.ts";
import { restoreRules } from "../../firewall/reload.ts";
import type { CachedAttachment } from "../../libcni/cache.ts";
import { cachedNetwork, type Cni } from "../../libcni/cni.ts";
import { NetNs } from "../../ns/netns.ts";
import { messageOf } from "../../runtime/errors.ts";
import { CniError } from "../../types/error.ts";
import { getFold } from "../../types/json.ts";
import { stateOf } from "../attachment_state.ts";
import { findNetworkOrCached } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { NETWORK } from "../operands.ts";
import { AttachmentNamespaces, planRepairs } from "../repair/plan.ts";

/** `cnitool repair` */
export const repair: Command = {
  name: "repair",
  operands: [NETWORK],
  summary: "put right what is amiss of the network's living attachments, where that is safe",
  description:
    `Looked at is every attachment that CHECK finds something amiss of. Put right is what its result says
is there, and is not: an interface that is down, an address, a route, rules; and what the plugins of
this project know of their own part: a bridge's port with its flags, VLANs and MAC filter, a
gateway's address, ptp's route on the host, sysctls and settings of tuning, sbr's rules, a VRF's
interface. Nothing is taken away but the VLAN that a bridge gives every port by itself. What would be
done is shown; with --yes it is done, and CHECK asked again. The exit status is 1 where something is
amiss at the end.`,
  options: [{ ...YES_OPTION, help: "do what is shown" }, JSON_OPTION],
  example: "cnitool repair demo --yes",
  json: `{ network: string; attachments: {
    containerID: string; ifname: string; netns: string;
    amiss?: Error;         // what CHECK says first; absent where all is in order
    repairs: { what: string; done: boolean; error?: string }[];
    left?: Error }[] }     // what CHECK says after --yes`,
  failing: ({ operands: [network] }) => `repair ${network}`,
  async run(line) {
    const cni = openCni();
    const { name } = findNetworkOrCached(line.operands[0]!, cni);
    const living = cni.getCachedAttachments().filter((one) => one.network === name)
      .filter((one) => stateOf(one) === "attached");
    const attachments: Repaired[] = [];
    for (const attachment of living) attachments.push(await repairOne(line, attachment, cni));
    print(
      line,
      { network: name, attachments },
      () =>
        living.length === 0
          ? [`${name}: nothing is attached`]
          : attachments.flatMap((one) => linesOf(one, line.has("yes"))),
    );
    const isAmiss = ({ amiss, left }: Repaired) => line.has("yes") ? left : amiss;
    return attachments.some(isAmiss) ? 1 : 0;
  },
};

interface Repaired {
  containerID: string;
  ifname: string;
  netns: string;
  amiss?: object;
  repairs: { what: string; done: boolean; error?: string }[];
  left?: object;
}

async function repairOne(
  line: CommandLine,
  attachment: CachedAttachment,
  cni: Cni,
): Promise<Repaired> {
  const { containerId: containerID, ifName: ifname, netns } = attachment;
  const amiss = await check(attachment, cni);
  const facts = { containerID, ifname, netns, ...amiss && { amiss: amiss.toJson() } };
  if (!amiss) return { ...facts, repairs: [] };
  using namespaces = new AttachmentNamespaces(NetNs.open(netns));
  const repairs: Repaired["repairs"] = [];
  for (const { what, apply } of await planRepairs(attachment, namespaces)) {
    repairs.push({ what, ...line.has("yes") ? await attempt(apply) : { done: false } });
  }
  if (makesRules(attachment)) {
    const what = "put back rules that are missing, as cni firewall-reload --once does";
    const apply = () => restoreRules(() => {});
    repairs.push({ what, ...line.has("yes") ? await attempt(apply) : { done: false } });
  }
  const left = line.has("yes") ? await check(attachment, cni) : undefined;
  return { ...facts, repairs, ...left && { left: left.toJson() } };
}

/** Runs CHECK with what ADD was called with. Returns its error; undefined where all is in order. */
async function check(attachment: CachedAttachment, cni: Cni): Promise<CniError | undefined> {
  const list = cachedNetwork(attachment);
  if (!list) return CniError.decode("what is cached of its network cannot be read");
  try {
    await cni.checkNetworkList(list, attachment);
    return undefined;
  } catch (error) {
    return CniError.from(error);
  }
}

async function attempt(apply: () => unknown): Promise<{ done: boolean; error?: string }> {
  try {
    await apply();
    return { done: true };
  } catch (error) {
    return { done: false, error: messageOf(error) };
  }
}

function makesRules(attachment: CachedAttachment): boolean {
  const plugins = cachedNetwork(attachment)?.plugins ?? [];
  return plugins.some(({ type, json }) =>
    type === "portmap" || type === "firewall" || getFold(json, "ipMasq") === true
  );
}

function linesOf({ containerID, ifname, netns, amiss, repairs, left }: Repaired, isDone: boolean) {
  const who = `${containerID} ${ifname} (${netns})`;
  if (!amiss) return [`${who}: in order`];
  const said = (error: object) => CniError.fromJson({ ...error })?.message ?? "";
  return [
    `${who}: ${said(amiss)}`,
    ...repairs.map(({ what, done, error }) =>
      `  ${error ? `failed: ${what}: ${error}` : done ? `done: ${what}` : `to be done: ${what}`}`
    ),
    ...repairs.length === 0 ? ["  nothing of it can be put right by adding something"] : [],
    ...!isDone ? [] : [left ? `  still amiss: ${said(left)}` : "  now in order"],
    ...isDone || repairs.length === 0 ? [] : ["  --yes does it"],
  ];
}
