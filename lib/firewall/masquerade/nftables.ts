/**
 * Masquerading with nftables: table `inet cni_plugins_masquerade`, and in its chain `masq_checks`
 * one rule per address, whose comment says whose it is.
 */
import { isObject, type JsonObject, type JsonValue } from "../../types/json.ts";
import { attachmentComment, hashOf } from "../rule_comment.ts";
import { attachmentHash, networkHash } from "../../ip/hash_names.ts";
import type { Masquerader } from "./types.ts";
import { nftAddTo, nftList } from "../../nftables/program.ts";
import { nftDelete } from "../../nftables/delete.ts";
import { deleteRule } from "../../nftables/rule.ts";
import { listRules } from "../../nftables/state.ts";

const TABLE = "inet cni_plugins_masquerade";
const CHECKS = { family: "inet", table: "cni_plugins_masquerade", chain: "masq_checks" } as const;

/** What all attachments share. Repeatable: two processes may find it missing at the same time. */
const SKELETON = [
  `add table ${TABLE} { comment "Masquerading for plugins from github.com/containernetworking/plugins"; }`,
  `add chain ${TABLE} masq_checks { comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet"; }`,
  `add chain ${TABLE} postrouting { type nat hook postrouting priority srcnat; }`,
  `flush chain ${TABLE} postrouting`,
  `add rule ${TABLE} postrouting ip daddr == 224.0.0.0/4 return`,
  `add rule ${TABLE} postrouting ip6 daddr == ff00::/8 return`,
  `add rule ${TABLE} postrouting goto masq_checks`,
];

/** @see Masquerader */
export const masqueradeNft: Masquerader = {
  async add(attachment, ips) {
    const comment = attachmentComment(attachment);
    const rules = ips.map((own) => {
      const ip = own.ip.family === 4 ? "ip" : "ip6";
      return `add rule ${TABLE} masq_checks ${ip} saddr == ${own.ip} ` +
        `${ip} daddr != ${own.network()} masquerade comment "${comment}"`;
    });
    await nftAddTo(SKELETON, rules, `masquerade ${ips.join(" and ")}`);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async remove(attachment) {
    const hash = attachmentHash(attachment);
    const { ifName, containerId } = attachment;
    removeRules((other) => other === hash, `stop masquerading ${ifName} of ${containerId}`);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async collect(network, valid) {
    const inUse = new Set(valid.map(attachmentHash));
    const gone = (hash: string) => hash.startsWith(`${networkHash(network)}-`) && !inUse.has(hash);
    removeRules(gone, `remove unused masquerading of network ${network}`);
  },

  async missing(all) {
    const known = new Set(listRules(CHECKS).map(({ comment }) => hashOf(comment)));
    const hashes = all.map(({ attachment }) => attachmentHash(attachment));
    const objects = hashes.some((hash) => known.has(hash))
      ? await nftList(["table", ...TABLE.split(" ")]) ?? []
      : [];
    const rules = objects.map(({ rule }) => rule).filter(isObject);
    const own = Map.groupBy(rules, ({ comment }) => hashOf(comment as string | undefined));
    const reached = rules.some((rule) =>
      rule.chain === "postrouting" && goesTo(rule, CHECKS.chain)
    );
    return all.map(({ ips }, i) => {
      const found = own.get(hashes[i]);
      if (!found) return `chain masq_checks of table ${TABLE} has no rule for it`;
      const sources = found.map(source);
      const unmatched = ips.filter(({ ip }) => !sources.includes(String(ip)));
      if (unmatched.length > 0) return `no rule for ${unmatched.join(" and ")}`;
      return reached
        ? undefined
        : `chain postrouting of table ${TABLE} does not lead to masq_checks`;
    });
  },
};

function removeRules(gone: (hash: string) => boolean, purpose: string): void {
  const find = () =>
    listRules(CHECKS).filter(({ comment }) => {
      const hash = hashOf(comment);
      return hash !== undefined && gone(hash);
    }).map(deleteRule);
  nftDelete(find, purpose);
}

/** The address in a rule's `ip saddr == ADDRESS`. */
function source(rule: JsonObject): JsonValue | undefined {
  for (const { match } of statements(rule)) {
    if (!isObject(match) || !isObject(match.left) || !isObject(match.left.payload)) continue;
    if (match.left.payload.field === "saddr") return match.right;
  }
  return undefined;
}

function goesTo(rule: JsonObject, chain: string): boolean {
  return statements(rule).some(({ goto }) => isObject(goto) && goto.target === chain);
}

function statements(rule: JsonObject): JsonObject[] {
  return (rule.expr as JsonValue[]).filter(isObject);
}
