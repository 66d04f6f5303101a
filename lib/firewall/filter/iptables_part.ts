import {
  isNftables,
  nftFamily,
  savedChain,
  SavedTable,
  savedTable,
} from "../../iptables/iptables.ts";
import {
  hasChain,
  iptablesComment,
  listRules,
  targetOf as nftTargetOf,
  usesOf,
} from "../../nftables/state.ts";
import { readAdminChain } from "./admin_chains.ts";
import {
  adminEntry,
  FORWARD,
  FORWARD_ENTRY,
  isIsolated,
  STAGE_1,
  STAGE_1_ENTRY,
  STAGE_2,
} from "./iptables_rules.ts";
import type { FilterEntry } from "./types.ts";
import { commentOf, type RuleLine, targetOf } from "../../iptables/rule.ts";

/**
 * Reads table `filter` without the rules of addresses, which is enough for a new attachment.
 * `iptables-save` takes 0.4 s with 10,000 accepted addresses; the time of this does not depend on
 * them.
 */
export async function savedWithoutAddresses(
  family: 4 | 6,
  entry: FilterEntry,
): Promise<SavedTable> {
  if (!isNftables(family, "filter")) return await savedTable(family, "filter");
  const where = { family: nftFamily(family), table: "filter" } as const;
  const { adminChain } = entry;
  const wanted = [FORWARD, STAGE_1, STAGE_2, adminChain];
  const chains = new Set(wanted.filter((chain) => hasChain({ ...where, chain })));
  const rules: RuleLine[] = [];

  const entries = [FORWARD_ENTRY, STAGE_1_ENTRY];
  for (const rule of listRules({ ...where, chain: "FORWARD" })) {
    const found = entries.find((text) =>
      nftTargetOf(rule) === targetOf(text) && iptablesComment(rule) === commentOf(text)
    );
    if (found !== undefined) rules.push(found);
  }
  const admin = { ...where, chain: adminChain };
  const led = (usesOf(admin) ?? 0) > listRules(admin).length;
  const entryText = adminEntry(adminChain);
  // Without a note the Go plugin may have made the jump: its chain is listed this once.
  const isLedHere = () =>
    readAdminChain({ family, chain: adminChain }) !== undefined ||
    listRules({ ...where, chain: FORWARD }).some((rule) =>
      nftTargetOf(rule) === adminChain && iptablesComment(rule) === commentOf(entryText)
    );
  if (led && chains.has(FORWARD) && isLedHere()) rules.push(entryText);
  for (const chain of isIsolated(entry) ? [STAGE_1, STAGE_2] : []) {
    if (chains.has(chain)) rules.push(...await savedChain(family, "filter", chain));
  }
  return new SavedTable(chains, rules);
}
