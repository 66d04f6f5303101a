/**
 * Filtering with nftables: table `inet cni_firewall`. Containers and bridges are elements of sets.
 *
 *     containers4, containers6  addresses whose packets are accepted
 *     bridges                   bridges with a policy: packets between two of them are dropped
 *     within                    pairs of the same bridge: its own containers reach each other
 *
 * Another table may still drop what this table accepts; nftables cannot overrule it.
 *
 * @module
 */
import type { IpAddress } from "../../ip/address.ts";
import { addTo, applyBatch } from "../../nftables/batch.ts";
import { addChain, type NftChain, PRIORITY } from "../../nftables/chain.ts";
import type { Command } from "../../nftables/command.ts";
import { concatenated, ifname, ipv4_addr, ipv6_addr } from "../../nftables/data_types.ts";
import { nftDelete } from "../../nftables/delete.ts";
import { concat, ct, ip, ip6, meta } from "../../nftables/field.ts";
import { addRule, expressionsOf, insertRule } from "../../nftables/new_rule.ts";
import { deleteRule, type NftRule } from "../../nftables/rule.ts";
import { addElement, addSet, deleteElement, type NftSet } from "../../nftables/set.ts";
import { findElement, listElements, listSets, type NftElement } from "../../nftables/elements.ts";
import { commentsOfChains, hasChain, listRules, readExpressions } from "../../nftables/state.ts";
import { accept, drop, jump, return_, type Statement } from "../../nftables/statement.ts";
import { doSame, type Step, stepsOf } from "../../nftables/steps.ts";
import { addTable, deleteTable } from "../../nftables/table.ts";
import { attachmentHash } from "../../ip/hash_names.ts";
import { orphanHash } from "../orphan_hash.ts";
import type { Attachment } from "../../types/attachment.ts";
import { FILTER_TABLE } from "../nftables_tables.ts";
import { someOf } from "../some_of.ts";
import { attachmentComment, hashOf } from "../rule_comment.ts";
import {
  type FilterEntry,
  type PacketFilter,
  policyOf,
  type ReadEntries,
  type Removal,
} from "./types.ts";

const TABLE = FILTER_TABLE;
const T = `${TABLE.family} ${TABLE.table}`;
const FORWARD = chainNamed("forward");
const ISOLATION = chainNamed("isolation");
const CONTAINERS = {
  4: { ...TABLE, set: "containers4", key: ipv4_addr },
  6: { ...TABLE, set: "containers6", key: ipv6_addr },
} as const;
const BRIDGES: NftSet<string> = { ...TABLE, set: "bridges", key: ifname };
const WITHIN: NftSet<readonly [string, string]> = {
  ...TABLE,
  set: "within",
  key: concatenated(ifname, ifname),
};

const SETS: readonly NftSet<unknown>[] = [CONTAINERS[4], CONTAINERS[6], BRIDGES, WITHIN];

/** The comment of an administrator's chain that was made for him; one that he made has none. */
const ADMIN_COMMENT = "Your own rules go here";

/** @see PacketFilter */
export const filterNft: PacketFilter = {
  // deno-lint-ignore require-await -- other backends have to wait
  async add(entries, all) {
    const [wanted, find] = elementsOfAll(entries, all);
    const commands = uniqueElements(wanted.flat()).flatMap((each) => changes(each, find(each)));
    const ids = someOf(entries.map(({ attachment }) => attachment.containerId));
    const purpose = `let packets of ${ids} through`;
    const skeleton = () => filterSkeleton(adminChains(all().filter(isOurs)), listRules(TABLE));
    if (isComplete(adminChains(entries))) addTo(skeleton, commands, purpose);
    else applyBatch([...skeleton(), ...commands], purpose);
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async remove(gone, others) {
    const ours = others.filter(isOurs);
    const find = () =>
      ours.length > 0 || gone.keepShared
        ? removalOf(gone, ours)
        : hasOthers(gone)
        ? removalOf({ ...gone, keepShared: true }, ours)
        : removalOfAll();
    nftDelete(find, "remove what is let through");
  },

  orphans(network, valid) {
    const isOrphan = orphanHash(network, valid);
    return Object.values(CONTAINERS).flatMap((set) =>
      listElements<IpAddress>(set).filter(({ comment }) => isOrphan(hashOf(comment) ?? ""))
        .map(({ key }) => key)
    );
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async missing(entries, all) {
    const [wanted, find] = elementsOfAll(entries, all);
    const complete = isComplete(adminChains(entries));
    return wanted.map((elements) => {
      const wrong = elements.find((each) => each.wanted !== (find(each) !== undefined));
      if (wrong) return `table ${T} ${wrong.wanted ? "lacks" : "must not have"} ${wrong.text}`;
      return complete ? undefined : `chains forward and isolation of ${T} lack rules`;
    });
  },
};

/** Lists the elements of each entry, and a lookup of the present ones. */
function elementsOfAll(
  entries: readonly FilterEntry[],
  all: ReadEntries,
): [elements: Element[][], find: Find] {
  const only = entries.length === 1;
  const find = only ? byKey : listed();
  const isIsolated = ({ bridge, policy }: FilterEntry) => {
    if (bridge === "" || policy === "isolated") return bridge !== "";
    // Containers on the bridge reach each other: no other entry has policy `isolated`.
    if (only && find(bridgeElement(bridge)) && find(withinElement(bridge))) return false;
    return policyOf(bridge, all().filter(({ enforcer }) => enforcer === "nftables")) === "isolated";
  };
  return [entries.map((entry) => elementsOf(entry, isIsolated(entry))), find];
}

/** Whether the chains have all of their rules, in an order that works. */
function isComplete(adminChains: readonly string[]): boolean {
  return skeletonRepair(adminChains, listRules(TABLE)).length === 0;
}

/**
 * Makes the commands for what all attachments share: the table, its sets and chains, and those of
 * the rules that are missing. An administrator's rules in these chains stay.
 * @param present the rules of the table
 */
export function filterSkeleton(
  adminChains: readonly string[],
  present: readonly NftRule[] = [],
): Command[] {
  const admins = adminChains.map(chainNamed);
  return [
    addTable(TABLE, "CNI plugin firewall"),
    ...SETS.map(addSet),
    ...admins.map((chain) => addChain(chain, { comment: ADMIN_COMMENT })),
    addChain(ISOLATION),
    addChain(FORWARD, { type: "filter", hook: "forward", priority: PRIORITY.filter }),
    ...skeletonRepair(adminChains, present),
  ];
}

/** Makes the commands that add the missing shared rules; none where all are there. */
function skeletonRepair(
  adminChains: readonly string[],
  present: readonly NftRule[],
): Command[] {
  const wanted = skeletonRules(adminChains);
  return [ISOLATION, FORWARD].flatMap((chain) =>
    chainRepair(
      wanted.filter((rule) => rule.chain === chain),
      present.filter((rule) => rule.chain === chain.chain),
    )
  );
}

/**
 * Makes the commands that add those of `wanted` which a chain lacks, each in its place among the
 * present ones. An administrator's rules stay where they are, before, between and behind those;
 * where none of `wanted` is left, his come first. One of `wanted` in the wrong place is moved.
 */
function chainRepair(wanted: readonly SharedRule[], present: readonly NftRule[]): Command[] {
  const steps = wanted.map(stepsOfShared);
  const kept = new Map<SharedRule, number>();
  const misplaced: NftRule[] = [];
  let reached = 0;
  for (const [index, rule] of present.entries()) {
    const own = readSteps(rule);
    const shared = wanted[steps.findIndex((each) => doSame(each, own))];
    // With a comment it is an administrator's. One that is there twice changes nothing.
    if (shared === undefined || rule.comment !== undefined || kept.has(shared)) continue;
    if (shared.rank < reached) {
      misplaced.push(rule);
      continue;
    }
    kept.set(shared, index);
    reached = shared.rank;
  }
  const last = Math.max(-1, ...kept.values());
  const added = wanted.filter((shared) => !kept.has(shared)).map(({ chain, statements, rank }) => {
    const later = [...kept].find(([shared]) => shared.rank > rank)?.[1];
    // What an administrator has behind the last one, such as a `drop`, stays behind.
    const next = last < 0 ? undefined : present[later ?? last + 1];
    return next ? insertRule(next, statements) : addRule(chain, statements);
  });
  // A rule that goes may be the one before which another is inserted.
  return [...added, ...misplaced.map(deleteRule)];
}

/** A rule that all attachments share. */
interface SharedRule {
  readonly chain: NftChain;
  /** Rules of a lower rank come first; those of the same rank in any order. */
  readonly rank: number;
  readonly statements: readonly Statement[];
}

/** Lists the rules that all attachments share, in their order. */
function skeletonRules(adminChains: readonly string[]): SharedRule[] {
  const [v4, v6] = [CONTAINERS[4], CONTAINERS[6]];
  const answers = ct.state.has("established", "related");
  const rule = (chain: NftChain, rank: number, ...statements: Statement[]): SharedRule => ({
    chain,
    rank,
    statements,
  });
  return [
    rule(ISOLATION, 0, concat(meta.iifname, meta.oifname).in(WITHIN), return_),
    rule(ISOLATION, 1, meta.iifname.in(BRIDGES), meta.oifname.in(BRIDGES), drop),
    rule(FORWARD, 0, jump(ISOLATION.chain)),
    ...adminChains.map((chain) => rule(FORWARD, 1, jump(chain))),
    rule(FORWARD, 2, answers, ip.daddr.in(v4), accept),
    rule(FORWARD, 2, ip.saddr.in(v4), accept),
    rule(FORWARD, 2, answers, ip6.daddr.in(v6), accept),
    rule(FORWARD, 2, ip6.saddr.in(v6), accept),
  ];
}

function stepsOfShared({ statements }: SharedRule): Step[] {
  return stepsOf(expressionsOf(TABLE.family, statements));
}

function readSteps(rule: NftRule): Step[] {
  return stepsOf(readExpressions(rule));
}

function chainNamed(chain: string): NftChain {
  return { ...TABLE, chain };
}

function isOurs({ backend, enforcer, policy }: FilterEntry): boolean {
  return backend === "nftables" || (enforcer === "nftables" && policy !== "open");
}

function adminChains(entries: readonly FilterEntry[]): string[] {
  return [...new Set(entries.map(({ adminChain }) => adminChain))];
}

/** The wanted state of an element of a set. */
interface Element {
  /** The set and the key, as `nft` writes them, which identify the element. */
  readonly text: string;
  /** Whether it should be present. */
  readonly wanted: boolean;
  /** The comment, which names the attachment; absent for bridges, which are shared. */
  readonly comment?: string;
  /** Looks the present element up; undefined where there is none. */
  find(): NftElement<unknown> | undefined;
  add(): Command;
  remove(): Command;
}

function elementOf<K>(set: NftSet<K>, key: K, wanted = true, comment?: string): Element {
  return {
    text: textOf(set, key),
    wanted,
    comment,
    find: () => findElement(set, key),
    add: () => addElement(set, key, comment),
    remove: () => deleteElement(set, key),
  };
}

function textOf<K>({ set, key: type }: NftSet<K>, key: K): string {
  return `${set} { ${type.format(key)} }`;
}

/** Lists the elements of an entry. @param isolated whether its bridge's containers are isolated */
function elementsOf(entry: FilterEntry, isolated: boolean): Element[] {
  const { backend, enforcer, bridge, ips, attachment } = entry;
  const comment = attachmentComment(attachment);
  const containers = backend === "nftables" ? ips.map((ip) => containerElement(ip, comment)) : [];
  if (enforcer !== "nftables" || bridge === "") return containers;
  return [...containers, bridgeElement(bridge), withinElement(bridge, !isolated)];
}

function containerElement(ip: IpAddress, comment?: string): Element {
  return elementOf(CONTAINERS[ip.family], ip, true, comment);
}

function bridgeElement(bridge: string): Element {
  return elementOf(BRIDGES, bridge);
}

function withinElement(bridge: string, wanted = true): Element {
  return elementOf(WITHIN, [bridge, bridge], wanted);
}

/** Finds the present element. */
type Find = (element: Element) => NftElement<unknown> | undefined;

/** Looks each element up by its key: the time does not depend on the size of the sets. */
const byKey: Find = (element) => element.find();

/** Lists all elements once, and looks elements up among them. */
function listed(): Find {
  const all = new Map(
    SETS.flatMap((set) =>
      listElements(set).map((element) => [textOf(set, element.key), element] as const)
    ),
  );
  return ({ text }) => all.get(text);
}

/** Makes the commands that bring an element into its wanted state. */
function changes(element: Element, present: NftElement<unknown> | undefined): Command[] {
  if (!element.wanted) return present ? [element.remove()] : [];
  if (!present) return [element.add()];
  // An element of an earlier owner of the address is replaced: its comment names that one.
  const isOwn = element.comment === undefined || present.comment === element.comment;
  return isOwn ? [] : [element.remove(), element.add()];
}

/**
 * Makes the commands that remove elements which `others` do not need, and that relax a bridge's
 * policy.
 */
function removalOf(
  { ips, bridges, keepShared, attachment }: Removal,
  others: readonly FilterEntry[],
): Command[] {
  const inUse = new Set(
    others.filter(({ backend }) => backend === "nftables").flatMap(({ ips }) => ips.map(String)),
  );
  const unused = ips.filter((ip) => !inUse.has(String(ip)))
    .map((ip) => ({ ...containerElement(ip), wanted: false }));
  const shared = (keepShared ? [] : bridges).flatMap((bridge) => {
    const left = others.filter((entry) => entry.enforcer === "nftables" && entry.bridge === bridge);
    const isLast = left.length === 0;
    return [
      { ...bridgeElement(bridge), wanted: !isLast },
      withinElement(bridge, !isLast && policyOf(bridge, left) !== "isolated"),
    ];
  });
  const named = attachment ? containersOf(attachment) : [];
  // Where the rules were flushed, what a bridge's policy is relaxed with has no set to be in.
  const isThere = hasChain(FORWARD);
  return uniqueElements([...unused, ...named, ...shared])
    .filter(({ wanted }) => isThere || !wanted)
    .flatMap((element) => changes(element, element.find()));
}

/** Lists the elements whose comment names an attachment. */
function containersOf(attachment: Attachment): Element[] {
  const hash = attachmentHash(attachment);
  return Object.values(CONTAINERS).flatMap((set) =>
    listElements<IpAddress>(set).filter(({ comment }) => hashOf(comment) === hash)
      .map(({ key }) => ({ ...containerElement(key), wanted: false }))
  );
}

/** Whether there are elements of other containers, which have no note any more. */
function hasOthers({ ips, attachment }: Removal): boolean {
  const own = new Set(ips.map(String));
  const hash = attachment && attachmentHash(attachment);
  return Object.values(CONTAINERS).some((set) =>
    listElements<IpAddress>(set).some(({ key, comment }) =>
      !own.has(String(key)) && (hash === undefined || hashOf(comment) !== hash)
    )
  );
}

/**
 * Makes the commands that remove everything, the table too unless it has objects of other programs.
 * Rules that lead to those stay then, without effect: the sets are empty.
 */
function removalOfAll(): Command[] {
  if (!hasChain(FORWARD)) return [];
  if (!hasForeign()) return [deleteTable(TABLE)];
  return SETS.flatMap((set) => listElements(set).map(({ key }) => deleteElement(set, key)));
}

/** Whether a chain, a rule or a set of the table is somebody else's: an administrator's. */
function hasForeign(): boolean {
  const chains = [...commentsOfChains(TABLE)];
  const admins = chains.filter(([, comment]) => comment === ADMIN_COMMENT).map(([name]) => name);
  const ours = [FORWARD.chain, ISOLATION.chain, ...admins];
  if (!chains.every(([name]) => ours.includes(name))) return true;
  const sets = SETS.map(({ set }) => set);
  if (!listSets(TABLE).every((name) => sets.includes(name))) return true;
  const own = skeletonRules(admins).map((shared) =>
    [shared.chain.chain, stepsOfShared(shared)] as const
  );
  return !listRules(TABLE).every((rule) => {
    const steps = readSteps(rule);
    return rule.comment === undefined &&
      own.some(([chain, wanted]) => chain === rule.chain && doSame(steps, wanted));
  });
}

function uniqueElements(elements: readonly Element[]): Element[] {
  return [...new Map(elements.map((element) => [element.text, element])).values()];
}
