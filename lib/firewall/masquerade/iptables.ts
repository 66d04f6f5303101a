/**
 * Masquerading with iptables: one chain per container and network, entered from POSTROUTING for
 * each of its addresses.
 *
 * The chain's name does not contain the interface: two interfaces of a container on one network
 * share it. So each address also gets a rule without a target, whose comment names the attachment:
 * by these DEL finds its own rules, and whether it is the last. The Go plugins ignore them and
 * remove them with the chain; a chain without them was made by the Go plugins.
 */
import { chainName } from "../../ip/hash_names.ts";
import { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import type { Attachment } from "../../types/attachment.ts";
import { attachmentComment, hashOf } from "../rule_comment.ts";
import { attachmentHash } from "../../ip/hash_names.ts";
import { orphanHash } from "../orphan_hash.ts";
import {
  mayHaveChain,
  nftFamily,
  removeChain,
  restoreDeletions,
  restoreOrMerge,
  type SavedTable,
  savedTable,
} from "../../iptables/iptables.ts";
import {
  comment,
  commentOf,
  deletion,
  insertion,
  line,
  MAX_COMMENT,
  type RuleLine,
  words,
} from "../../iptables/rule.ts";
import { cutUtf8 } from "../../types/utf8.ts";
import { runEach } from "../backend.ts";
import type { Masquerader } from "./types.ts";
import type { NftChain } from "../../nftables/chain.ts";
import { iptablesComment, listRules } from "../../nftables/state.ts";

const FAMILIES = [4, 6] as const;
const MULTICAST = { 4: "224.0.0.0/4", 6: "ff00::/8" } as const;

/** @see Masquerader */
export const masqueradeIptables: Masquerader = {
  async add(attachment, ips) {
    const chain = chainOf(attachment);
    await inEveryFamily(async (family) => {
      const own = ips.filter(({ ip }) => ip.family === family);
      if (own.length === 0) return;
      const rules = rulesFor(attachment, chain, own);
      const merge = (saved: SavedTable) => [
        ...(saved.chains.has(chain) ? [] : [line`-N ${chain}`]),
        ...rules.filter((rule) => !saved.rules.includes(rule)).map((rule) =>
          // The rules of another interface of this container end in one that matches every packet.
          rule.endsWith(" -j MASQUERADE") || !rule.startsWith(`-A ${chain} `)
            ? rule
            : insertion(rule)
        ),
      ];
      const purpose = `masquerade ${own.join(" and ")}`;
      await restoreOrMerge(family, "nat", [line`-N ${chain}`, ...rules], merge, purpose);
    });
  },

  async remove(...attachments) {
    await runEach(attachments.map((attachment) => () => removeRulesOf(attachment)));
  },

  async collect(network, valid) {
    const used = new Set(valid.map(chainOf));
    const gone = orphanHash(network, valid);
    await inEveryFamily(async (family) => {
      if (!mayHaveChain(family, "nat", "POSTROUTING")) return;
      const find = (saved: SavedTable) =>
        [...chainsOf(saved, network)].flatMap((chain) =>
          used.has(chain) && markers(saved, chain).length === 0 ? [] : removal(saved, chain, gone)
        );
      const purpose = `remove unused masquerading of network ${network}`;
      await restoreDeletions(family, "nat", find, purpose);
    });
  },

  async missing(all) {
    const absent = all.map((): string | undefined => undefined);
    await inEveryFamily(async (family) => {
      const wanted = all.map(({ attachment, ips }) => {
        const own = ips.filter(({ ip }) => ip.family === family);
        const rules = own.length === 0 ? [] : rulesFor(attachment, chainOf(attachment), own);
        return rules.filter((rule) => / -j /.test(rule));
      });
      if (wanted.every((rules) => rules.length === 0)) return;
      const present = new Set(
        mayHaveChain(family, "nat", "POSTROUTING") ? (await savedTable(family, "nat")).rules : [],
      );
      wanted.forEach((rules, i) => {
        const rule = rules.find((each) => !present.has(each));
        absent[i] ??= rule && `table nat lacks "${rule}"`;
      });
    });
    return absent;
  },
};

async function removeRulesOf(attachment: Attachment): Promise<void> {
  const chain = chainOf(attachment);
  const hash = attachmentHash(attachment);
  const { ifName, containerId } = attachment;
  await inEveryFamily(async (family) => {
    if (!mayHaveChain(family, "nat", chain)) return;
    const find = (saved: SavedTable) => removal(saved, chain, (other) => other === hash);
    const purpose = `stop masquerading ${ifName} of ${containerId}`;
    const isShared = ownersOf({ family: nftFamily(family), table: "nat", chain })
      .some((other) => other !== hash);
    if (!isShared && removeChain(family, "nat", chain, purpose)) return;
    await restoreDeletions(family, "nat", find, purpose);
  });
}

function chainOf({ network, containerId }: Attachment): string {
  return chainName(network, containerId);
}

/** Makes an attachment's rules, as `iptables-save` prints them. */
function rulesFor(attachment: Attachment, chain: string, ips: readonly Cidr[]): RuleLine[] {
  const { network, containerId } = attachment;
  const why = comment(cutUtf8(`name: "${network}" id: "${containerId}"`, MAX_COMMENT));
  const marker = comment(attachmentComment(attachment));
  const rules = ips.flatMap((own) => [
    line`-A ${chain} -s ${Cidr.host(own.ip)} ${marker}`,
    // The container's own network first: packets that stay in it are not masqueraded.
    line`-A ${chain}${own.prefix > 0 && words` -d ${own.network()}`} ${why} -j ACCEPT`,
  ]);
  const family = ips[0]!.ip.family;
  return [
    ...new Set(rules),
    line`-A ${chain} ! -d ${MULTICAST[family]} ${why} -j MASQUERADE`,
    ...ips.map((own) => line`-A POSTROUTING -s ${Cidr.host(own.ip)} ${why} -j ${chain}`),
  ];
}

/** Lists the attachments with addresses in a chain; none for a chain of the Go plugins. */
function ownersOf(chain: NftChain): string[] {
  return listRules(chain).flatMap((rule) => hashOf(iptablesComment(rule)) ?? []);
}

/** Lists the rules of a chain that name the attachment of each address. */
function markers(
  saved: SavedTable,
  chain: string,
): { rule: RuleLine; hash: string; ip: IpAddress }[] {
  return saved.rulesIn(chain).filter((rule) => rule.startsWith(`-A ${chain} -s `)).flatMap(
    (rule) => {
      const hash = hashOf(commentOf(rule));
      const ip = addressAfter(rule, "-s")?.ip;
      return hash && ip ? [{ rule, hash, ip }] : [];
    },
  );
}

/** Makes the commands that remove the rules of `gone` attachments, and the chain with the last. */
function removal(saved: SavedTable, chain: string, gone: (hash: string) => boolean): RuleLine[] {
  if (!saved.chains.has(chain)) return [];
  const references = saved.rulesLeadingTo(chain);
  const all = markers(saved, chain);
  const kept = all.filter(({ hash }) => !gone(hash));
  if (kept.length === 0) {
    return [...references.map(deletion), line`-F ${chain}`, line`-X ${chain}`];
  }
  const leaving = all.filter(({ hash }) => gone(hash));
  const stays = (ip: IpAddress) => kept.some((other) => other.ip.equals(ip));
  const entries = references.filter((rule) => {
    const from = addressAfter(rule, "-s")?.ip;
    return from && leaving.some(({ ip }) => ip.equals(from)) && !stays(from);
  });
  const networks = saved.rulesIn(chain).filter((rule) => {
    if (!rule.startsWith(`-A ${chain} -d `) || !rule.endsWith(" -j ACCEPT")) return false;
    const network = addressAfter(rule, "-d");
    return leaving.some(({ ip }) => network?.contains(ip)) &&
      !kept.some(({ ip }) => network?.contains(ip));
  });
  return [...entries, ...leaving.map(({ rule }) => rule), ...networks].map(deletion);
}

/** Lists the chains of a network, by the comment of the rule that jumps to them. */
function chainsOf(saved: SavedTable, network: string): Set<string> {
  const entry = /^-A POSTROUTING .* -j (CNI-[0-9a-f]{24})$/;
  const whose = `name: "${network}" id: "`;
  return new Set(saved.rules.flatMap((rule) => {
    const chain = entry.exec(rule)?.[1];
    return chain && commentOf(rule)?.startsWith(whose) ? [chain] : [];
  }));
}

function addressAfter(rule: string, option: "-s" | "-d"): Cidr | undefined {
  const [, text] = new RegExp(` ${option} (\\S+)`).exec(rule) ?? [];
  return text === undefined ? undefined : Cidr.tryParse(text);
}

/** Runs `work` for both families at once: they have separate tables and programs. */
async function inEveryFamily(work: (family: 4 | 6) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(FAMILIES.map(work));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
