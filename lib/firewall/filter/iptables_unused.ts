import type { SavedTable } from "../../iptables/iptables.ts";
import { deletion, line, type RuleLine } from "../../iptables/rule.ts";
import { readAdminChain } from "./admin_chains.ts";
import {
  adminChainOf,
  FORWARD,
  FORWARD_ENTRY,
  isReturn,
  STAGE_1,
  STAGE_1_ENTRY,
  STAGE_2,
  withoutComment,
} from "./iptables_rules.ts";

/**
 * Makes the commands that remove unused chains, and the rules that lead to them. A chain stays that
 * has other rules or to which other rules lead, and an administrator's chain that existed before.
 */
export function unusedChains(
  saved: SavedTable,
  family: 4 | 6,
  adminChains: readonly string[],
): RuleLine[] {
  const commands: RuleLine[] = [];
  const going = new Set<RuleLine>();
  const removeRules = (rules: readonly RuleLine[]) => {
    for (const rule of rules) going.add(rule);
    commands.push(...rules.map(deletion));
  };
  const removeChain = (chain: string) => {
    const stays = (rule: RuleLine) => !going.has(rule);
    if (!saved.chains.has(chain) || saved.rulesIn(chain).some(stays)) return;
    if (!saved.rulesLeadingTo(chain).some(stays)) commands.push(line`-X ${chain}`);
  };

  const forward = saved.rulesIn(FORWARD);
  if (forward.every((rule) => adminChainOf(rule) !== undefined)) {
    removeRules([...saved.rules.filter((rule) => rule === FORWARD_ENTRY), ...forward]);
    removeChain(FORWARD);
    for (const chain of new Set(adminChains)) {
      if (readAdminChain({ family, chain })?.made) removeChain(chain);
    }
  }
  const stages = [...saved.rulesIn(STAGE_1), ...saved.rulesIn(STAGE_2)];
  if (stages.every(isReturn)) {
    const entry = withoutComment(STAGE_1_ENTRY);
    const entries = saved.rulesLeadingTo(STAGE_1).filter((rule) => withoutComment(rule) === entry);
    removeRules([...entries, ...stages]);
    for (const chain of [STAGE_1, STAGE_2]) removeChain(chain);
  }
  return commands;
}
