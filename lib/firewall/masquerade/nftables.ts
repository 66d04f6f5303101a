/**
 * Masquerading with nftables: table `inet cni_plugins_masquerade`, and in its chain `masq_checks`
 * one rule per address, whose comment names the attachment.
 */
import { attachmentHash } from "../../ip/hash_names.ts";
import { orphanHash } from "../orphan_hash.ts";
import { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { addTo, applyBatch } from "../../nftables/batch.ts";
import type { Command } from "../../nftables/command.ts";
import { addChain, flushChain, type NftChain, PRIORITY } from "../../nftables/chain.ts";
import { nftDelete } from "../../nftables/delete.ts";
import { ip, ip6 } from "../../nftables/field.ts";
import { addRule } from "../../nftables/new_rule.ts";
import { deleteRule, type NftRule } from "../../nftables/rule.ts";
import { listRules, readExpressions, targetOf, usesOf } from "../../nftables/state.ts";
import { goto, masquerade, return_, type Statement } from "../../nftables/statement.ts";
import { stepsOf, valueOf } from "../../nftables/steps.ts";
import { addTable } from "../../nftables/table.ts";
import { MASQUERADE_TABLE } from "../nftables_tables.ts";
import { someOf } from "../some_of.ts";
import { attachmentComment, hashOf } from "../rule_comment.ts";
import type { Masquerader } from "./types.ts";

const TABLE = MASQUERADE_TABLE;
const T = `${TABLE.family} ${TABLE.table}`;
const CHECKS: NftChain = { ...TABLE, chain: "masq_checks" };
const POSTROUTING: NftChain = { ...TABLE, chain: "postrouting" };
const FIELDS = { 4: ip, 6: ip6 } as const;

/** How many rules of `postrouting` all attachments share: {@link sharedRules}. */
const SHARED_RULES = 3;

function sharedRules(): (readonly Statement[])[] {
  const [multicast4, multicast6] = [Cidr.parse("224.0.0.0/4"), Cidr.parse("ff00::/8")];
  return [
    [ip.daddr.isIn(multicast4), return_],
    [ip6.daddr.isIn(multicast6), return_],
    [goto(CHECKS.chain)],
  ];
}

/** Makes the table, chains and rules that all attachments share. Repeatable. */
function skeleton(): Command[] {
  return [
    addTable(TABLE, "Masquerading for plugins from github.com/containernetworking/plugins"),
    addChain(CHECKS, {
      comment: "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet",
    }),
    addChain(POSTROUTING, { type: "nat", hook: "postrouting", priority: PRIORITY.srcnat }),
    flushChain(POSTROUTING),
    ...sharedRules().map((statements) => addRule(POSTROUTING, statements)),
  ];
}

/** Lists commands with every kernel option that masquerading needs, for STATUS. */
export function masqueradeNeeds(): Command[] {
  return [...skeleton(), addRule(CHECKS, [masquerade])];
}

/** @see Masquerader */
export const masqueradeNft: Masquerader = {
  // deno-lint-ignore require-await -- other backends have to wait
  async add(attachment, ips) {
    const comment = attachmentComment(attachment);
    const rules = ips.map((own) => {
      const { saddr, daddr } = FIELDS[own.ip.family];
      return addRule(CHECKS, [saddr.is(own.ip), daddr.isNotIn(own.network()), masquerade], comment);
    });
    const purpose = `masquerade ${ips.join(" and ")}`;
    if ((usesOf(POSTROUTING) ?? 0) >= SHARED_RULES) addTo(skeleton, rules, purpose);
    else applyBatch([...skeleton(), ...rules], purpose);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async remove(...attachments) {
    const hashes = new Set(attachments.map(attachmentHash));
    const who = attachments.map(({ ifName, containerId }) => `${ifName} of ${containerId}`);
    removeRules((hash) => hashes.has(hash), `stop masquerading ${someOf(who)}`);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async collect(network, valid) {
    const gone = orphanHash(network, valid);
    removeRules(gone, `remove unused masquerading of network ${network}`);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async missing(all) {
    const rules = listRules(TABLE);
    const own = Map.groupBy(rules, ({ comment }) => hashOf(comment));
    const reached = rules.some((rule) =>
      rule.chain === POSTROUTING.chain && targetOf(rule) === CHECKS.chain
    );
    return all.map(({ attachment, ips }) => {
      const found = own.get(attachmentHash(attachment));
      if (!found) return `chain masq_checks of table ${T} has no rule for it`;
      const unmatched = ips.filter((own) => !found.some((rule) => isFrom(rule, own)));
      if (unmatched.length > 0) return `no rule for ${unmatched.join(" and ")}`;
      return reached ? undefined : `chain postrouting of table ${T} does not lead to masq_checks`;
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

/** Whether a rule has `ip saddr ADDRESS`. */
function isFrom(rule: NftRule, { ip }: Cidr): boolean {
  const source = valueOf(stepsOf(readExpressions(rule)), FIELDS[ip.family].saddr);
  return source !== undefined && ip.equals(IpAddress.fromBytes(source));
}
