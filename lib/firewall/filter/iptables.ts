/**
 * Filtering with iptables: the Go plugins' chains and rules of table `filter`, and a rule for each
 * address that accepts connections to its published ports.
 *
 *     FORWARD                     -> CNI-ISOLATION-STAGE-1, then CNI-FORWARD
 *     CNI-FORWARD                 the administrator's chain first; then accepted packets
 *     CNI-ISOLATION-STAGE-1       packets from a bridge with a policy -> CNI-ISOLATION-STAGE-2
 *     CNI-ISOLATION-STAGE-2       drops packets to another such bridge
 *
 * @module
 */
import {
  iptablesName,
  mayHaveChain,
  mayHaveRules,
  restore,
  restoreDeletions,
  SavedTable,
  savedTable,
} from "../../iptables/iptables.ts";
import { deletion, insertion, line, type RuleLine } from "../../iptables/rule.ts";
import { someOf } from "../some_of.ts";
import { dropAdminChain, noteAdminChain, readAdminChain } from "./admin_chains.ts";
import {
  acceptsFirst,
  adminChainOf,
  allowRules,
  bridgeRules,
  chainsOf,
  enforcedPolicy,
  type FilterRule,
  FORWARD,
  FORWARD_ENTRY,
  isIsolated,
  rulesFor,
  STAGE_1,
  STAGE_1_ENTRY,
  STAGE_2,
  stageRules,
  withoutComment,
} from "./iptables_rules.ts";
import { savedWithoutAddresses } from "./iptables_part.ts";
import { unusedChains } from "./iptables_unused.ts";
import { type IngressPolicy, type PacketFilter, policyOf, type ReadEntries } from "./types.ts";

const FAMILIES = [4, 6] as const;

/** @see PacketFilter */
export const filterIptables: PacketFilter = {
  async add(entries, all, isNew = false) {
    const ids = someOf(entries.map(({ attachment }) => attachment.containerId));
    const [first] = entries;
    for (const family of FAMILIES) {
      if (entries.every((entry) => rulesFor(entry, () => "open", family).length === 0)) continue;
      const saved = isNew && entries.length === 1
        ? await savedWithoutAddresses(family, first!)
        : await savedTable(family, "filter");
      const policy = policyAmong(saved.rules, all);
      const rules = entries.flatMap((entry) => rulesFor(entry, policy, family));
      await addMissing(family, saved, rules, `let packets of ${ids} through`);
    }
  },

  async remove(gone, others) {
    const isolated = others.filter(isIsolated);
    const policy = (bridge: string) => policyOf(bridge, isolated);
    for (const family of FAMILIES) {
      if (![FORWARD, STAGE_1].some((chain) => mayHaveChain(family, "filter", chain))) {
        // An ADD whose first rule was refused has noted the administrator's chain already.
        dropUnusedNotes(family, gone.adminChains);
        continue;
      }
      const kept = new Set(
        others.flatMap((entry) => rulesFor(entry, policy, family)).map(({ text }) => text),
      );
      const addresses = new Set(
        gone.ips.filter((ip) => ip.family === family).flatMap((ip) => allowRules(ip)),
      );
      const bridges = new Set(gone.bridges.flatMap(bridgeRules).map(withoutComment));
      const find = (saved: SavedTable) => {
        const foreign = saved.rulesIn(FORWARD).some((rule) =>
          adminChainOf(rule) === undefined && !kept.has(rule) && !addresses.has(rule)
        );
        // Containers of the Go plugins, which have no note, may be on the same bridge.
        const keepBridges = foreign || gone.keepShared;
        const own = new Set(saved.rules.filter((rule) =>
          !kept.has(rule) &&
          (addresses.has(rule) || (!keepBridges && bridges.has(withoutComment(rule))))
        ));
        const left = new SavedTable(saved.chains, saved.rules.filter((rule) => !own.has(rule)));
        const chains = gone.keepShared ? [] : unusedChains(left, family, gone.adminChains);
        return [...[...own].map(deletion), ...chains];
      };
      await restoreDeletions(family, "filter", find, "remove what is let through");
      dropUnusedNotes(family, gone.adminChains);
      // The strictest policy may have been removed: the next one has other rules.
      const bridgesLeft = gone.bridges.filter((bridge) => policy(bridge) !== "open");
      if (bridgesLeft.length === 0) continue;
      const rules = bridgesLeft.flatMap((bridge) => stageRules(bridge, policy(bridge)));
      await addMissing(family, await savedTable(family, "filter"), rules, "keep bridges apart");
    }
  },

  async missing(entries, all) {
    const absent = entries.map((): string | undefined => undefined);
    for (const family of FAMILIES) {
      if (entries.every((entry) => rulesFor(entry, () => "open", family).length === 0)) continue;
      const { rules: present } = await savedTable(family, "filter");
      const policy = policyAmong(present, all);
      const texts = new Set(present);
      const bare = new Set(present.map(withoutComment));
      entries.forEach((entry, i) => {
        const isThere = (rule: RuleLine) =>
          entry.made === "by Go" ? bare.has(withoutComment(rule)) : texts.has(rule);
        const lacking = rulesFor(entry, policy, family).find(({ text }) => !isThere(text));
        absent[i] ??= lacking &&
          `table filter of ${iptablesName(family)} lacks "${lacking.text}"`;
        if (isIsolated(entry) && acceptsFirst(present)) {
          absent[i] ??= `table filter of ${iptablesName(family)} has "${STAGE_1_ENTRY}" behind ` +
            `"${FORWARD_ENTRY}"`;
        }
      });
    }
    return absent;
  },
};

/** Removes the notes of administrators' chains that are gone, or that no rule leads to any more. */
function dropUnusedNotes(family: 4 | 6, chains: readonly string[]): void {
  const asksNone = !mayHaveRules(family, "filter", FORWARD);
  for (const chain of chains) {
    const isHis = readAdminChain({ family, chain })?.made === false;
    if (!mayHaveChain(family, "filter", chain) || (isHis && asksNone)) {
      dropAdminChain({ family, chain });
    }
  }
}

/**
 * Finds the policy of bridges: the one that rules enforce already, so that not every note has to be
 * read, or that of all entries where none do.
 */
function policyAmong(
  rules: readonly RuleLine[],
  all: ReadEntries,
): (bridge: string) => IngressPolicy {
  const present = new Set<string>(rules);
  return (bridge) => enforcedPolicy(bridge, present) ?? policyOf(bridge, all().filter(isIsolated));
}

/**
 * Adds those of `rules` that are missing, and the chains that they need. Bridges are kept apart before
 * packets are accepted, whichever of the two rules was lost.
 */
async function addMissing(
  family: 4 | 6,
  saved: SavedTable,
  rules: readonly FilterRule[],
  purpose: string,
): Promise<void> {
  const missing = new Map(
    rules.filter(({ text }) => !saved.rules.includes(text)).map((rule) => [rule.text, rule]),
  );
  const chains = chainsOf(rules.map(({ text }) => text));
  for (const chain of chains) {
    if ([FORWARD, STAGE_1, STAGE_2].includes(chain)) continue;
    noteAdminChain({ family, chain }, !saved.chains.has(chain));
  }
  const commands = [
    ...chains.filter((chain) => !saved.chains.has(chain)).map((chain) => line`-N ${chain}`),
    ...[...missing.values()].map(({ text, first }) => first ? insertion(text) : text),
    ...keptApartFirst(saved, [...missing.keys()]),
  ];
  await restore(family, { filter: commands }, purpose);
}

/** Moves the jump that keeps bridges apart before the one that accepts, where it would be behind. */
function keptApartFirst({ rules }: SavedTable, added: readonly RuleLine[]): RuleLine[] {
  // What is added comes first, the last of it at the very top.
  const inserted = added.filter((rule) => [FORWARD_ENTRY, STAGE_1_ENTRY].includes(rule));
  if (!acceptsFirst([...inserted.toReversed(), ...rules])) return [];
  return [deletion(STAGE_1_ENTRY), insertion(STAGE_1_ENTRY)];
}
