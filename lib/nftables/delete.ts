/**
 * Deletes from nftables: lists what exists, and deletes it in one batch.
 *
 * @module
 */
import { NetlinkError } from "../nl/error.ts";
import { nftablesBatchInParts } from "../nl/nftables_batch.ts";
import type { Command } from "./command.ts";
import { deleteChain, type NftChain } from "./chain.ts";
import { deleteRule } from "./rule.ts";
import { type Generation, hasChain, listRules, targetOf } from "./state.ts";

/** The rule set has changed since the generation that a transaction was made for. */
export class RulesetChanged extends Error {
  override readonly name = "RulesetChanged";
}

/**
 * Makes the commands that remove a chain and every rule that leads to it; none without the chain.
 */
export function chainRemoval(where: NftChain): Command[] {
  if (!hasChain(where)) return [];
  const { family, table, chain } = where;
  const entries = listRules({ family, table }).filter((rule) => targetOf(rule) === chain);
  return [...entries.map(deleteRule), deleteChain(where)];
}

/**
 * Deletes what `find` lists: all or nothing, or in parts where a user namespace has no room for a
 * batch so large. Where another process deletes some of it meanwhile, or the kernel's answer was
 * lost, the rest is listed and tried again.
 * @param find lists what to delete; called again for every attempt
 * @param purpose for errors: "stop masquerading eth0 of c1"
 * @throws {NetlinkError} naming what could not be deleted
 */
export function nftDelete(find: () => readonly Command[], purpose: string): void {
  for (let commands = find(); commands.length > 0;) {
    try {
      return nftablesBatchInParts(commands, { purpose });
    } catch (error) {
      const left = find();
      if (namesOf(left) === namesOf(commands)) throw error;
      commands = left;
    }
  }
}

/**
 * Deletes all of `commands`, or nothing where the rule set has changed since `generation`; in parts
 * where a user namespace has no room for a batch so large.
 * @throws {RulesetChanged}
 * @throws {NetlinkError} naming what could not be deleted
 */
export function nftDeleteSince(
  generation: Generation,
  commands: readonly Command[],
  purpose: string,
): void {
  if (commands.length === 0) return;
  try {
    nftablesBatchInParts(commands, { purpose, generation });
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "ERESTART") throw new RulesetChanged();
    throw error;
  }
}

function namesOf(commands: readonly Command[]): string {
  return commands.map(({ purpose }) => purpose).join("\n");
}
