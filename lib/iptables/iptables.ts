/**
 * Runs iptables: `iptables-save` reads a whole table, `iptables-restore --noflush` changes one
 * atomically. Rules are lines in the form that `iptables-save` prints (`rule.ts`). The tables of
 * iptables-nft are tables of nftables, and rules are deleted from them over netlink.
 *
 * @module
 */
import { errnoCode } from "../runtime/errors.ts";
import { ifExists } from "../runtime/if_exists.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError, ErrorCode } from "../types/error.ts";
import type { NetlinkRequest } from "../nl/socket.ts";
import { deleteChain, flushChain } from "../nftables/chain.ts";
import { chainRemoval, nftDelete, nftDeleteSince, RulesetChanged } from "../nftables/delete.ts";
import { deleteRule, type NftRule } from "../nftables/rule.ts";
import { currentGeneration, hasChain, listRules } from "../nftables/state.ts";
import { remedy, runTool, type Tool } from "../host/tool.ts";
import { chainOf, deletion, type RuleLine, targetOf } from "./rule.ts";

/** How long to wait for the xtables lock (`iptables --wait`). */
const LOCK_SECONDS = 10;

/** iptables refused a batch. */
export class IptablesError extends CniError {}

/** A table as `iptables-save` prints it. */
export class SavedTable {
  #inChain: Map<string, RuleLine[]> | undefined;
  #leadingTo: Map<string, RuleLine[]> | undefined;

  /** @param rules each as `-A CHAIN …`, in their order */
  constructor(
    readonly chains: ReadonlySet<string> = new Set(),
    readonly rules: readonly RuleLine[] = [],
  ) {}

  /** The rules in a chain. The time does not depend on the number of chains. */
  rulesIn(chain: string): readonly RuleLine[] {
    this.#inChain ??= Map.groupBy(this.rules, chainOf);
    return this.#inChain.get(chain) ?? [];
  }

  /** The rules that jump or go to a chain. The time does not depend on the number of rules. */
  rulesLeadingTo(chain: string): readonly RuleLine[] {
    this.#leadingTo ??= Map.groupBy(this.rules, (rule) => targetOf(rule) ?? "");
    return this.#leadingTo.get(chain) ?? [];
  }
}

/**
 * `iptables-save -t TABLE`, or ip6tables-save.
 * @throws {MissingTool} naming the package
 * @throws {IptablesError}
 */
export async function savedTable(family: 4 | 6, table: string): Promise<SavedTable> {
  const tool = toolFor(family, "-save");
  const purpose = `read iptables' table ${table}`;
  const { code, stdout, stderr } = await runTool(tool, ["-t", table], purpose);
  if (code !== 0) throw refused(purpose, `${tool} -t ${table}`, stderr);
  const lines = stdout.split("\n");
  return new SavedTable(
    new Set(lines.filter((l) => l.startsWith(":")).map((l) => l.slice(1).split(" ", 1)[0]!)),
    lines.filter((line): line is RuleLine => line.startsWith("-A ")),
  );
}

/**
 * `iptables -t TABLE -S CHAIN`: the rules of one chain, which has to exist. The time does not
 * depend on other chains.
 * @throws as {@link savedTable}
 */
export async function savedChain(
  family: 4 | 6,
  table: string,
  chain: string,
): Promise<RuleLine[]> {
  const tool = toolFor(family, "");
  const purpose = `read chain ${chain} of iptables' table ${table}`;
  const args = ["--wait", String(LOCK_SECONDS), "-t", table, "-S", chain];
  const { code, stdout, stderr } = await runTool(tool, args, purpose);
  if (code !== 0) throw refused(purpose, `${tool} ${args.join(" ")}`, stderr);
  return stdout.split("\n").filter((text): text is RuleLine => text.startsWith("-A "));
}

/**
 * `iptables-restore --noflush`: all of the lines for one table, or none. Lines are commands of
 * iptables without the table: `-N CHAIN`, `-A CHAIN …`, `-D CHAIN …`.
 * @param purpose for errors: "masquerade 10.1.0.2/24"
 * @throws {IptablesError} naming the line that was refused
 * @throws {MissingTool} naming the package
 */
export async function restore(
  family: 4 | 6,
  tables: Readonly<Record<string, readonly RuleLine[]>>,
  purpose: string,
): Promise<void> {
  const lines = Object.entries(tables).filter(([, commands]) => commands.length > 0)
    .flatMap(([table, commands]) => [`*${table}`, ...commands, "COMMIT"]);
  if (lines.length === 0) return;
  const tool = toolFor(family, "-restore");
  const args = ["--noflush", "--wait", String(LOCK_SECONDS)];
  const { code, stderr } = await runTool(tool, args, purpose, lines.join("\n") + "\n");
  if (code === 0) return;
  const [, number] = /line:? (\d+)/.exec(stderr) ?? [];
  const line = number === undefined ? undefined : lines[Number(number) - 1];
  throw refused(purpose, `${tool} ${args.join(" ")}${line ? `, line "${line}"` : ""}`, stderr);
}

/**
 * Adds `fresh`, lines which expect that the chains they create (`-N`) are new. Where they are
 * refused because a chain exists or is missing, the table is read, and what `merge` returns is
 * added.
 * @throws as {@link restore}
 */
export async function restoreOrMerge(
  family: 4 | 6,
  table: string,
  fresh: readonly RuleLine[],
  merge: (saved: SavedTable) => readonly RuleLine[],
  purpose: string,
): Promise<void> {
  try {
    await restore(family, { [table]: fresh }, purpose);
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    await restore(family, { [table]: merge(await savedTable(family, table)) }, purpose);
  }
}

/** Attempts over netlink, while others change the rules, before iptables-restore deletes. */
const NETLINK_ATTEMPTS = 3;

/**
 * Deletes what `find` returns for the current table. Where another process deletes some of it
 * meanwhile, the table is read again and the rest deleted.
 * @throws as {@link restore}
 */
export async function restoreDeletions(
  family: 4 | 6,
  table: string,
  find: (saved: SavedTable) => readonly RuleLine[],
  purpose: string,
): Promise<void> {
  let refused: string | undefined;
  for (let attempt = 1;; attempt++) {
    const generation = attempt <= NETLINK_ATTEMPTS ? ifPermitted(currentGeneration) : undefined;
    const saved = await savedTable(family, table);
    const commands = find(saved);
    const requests = generation && deletionsByPosition(family, table, saved, commands);
    try {
      if (requests) return nftDeleteSince(generation, requests, purpose);
      return await restore(family, { [table]: commands }, purpose);
    } catch (error) {
      if (error instanceof RulesetChanged) continue;
      if (commands.join() === refused) throw error;
      refused = commands.join();
    }
  }
}

/**
 * Translates deletions into nftables commands: `iptables-save` and the kernel list rules in the
 * same order, so that a rule's position gives its handle. iptables-restore would take ten times as
 * long, most of it waiting at its end ({@link nftDelete}).
 * @returns undefined for other commands, and where nftables has other rules: iptables-legacy is in
 * use, or there are rules that iptables cannot print
 */
function deletionsByPosition(
  family: 4 | 6,
  table: string,
  saved: SavedTable,
  commands: readonly RuleLine[],
): NetlinkRequest[] | undefined {
  if (mayBeLegacy(family, table)) return undefined;
  const where = { family: nftFamily(family), table };
  const present = Map.groupBy(listRules(where), ({ chain }) => chain);
  /** By chain and command the rules that it deletes: a chain may contain the same rule twice. */
  const deletable = new Map<string, Map<string, NftRule[]>>();
  const requests: NetlinkRequest[] = [];
  for (const command of commands) {
    const [action, chain] = command.split(" ", 2) as [string, string];
    if (action === "-F") requests.push(flushChain({ ...where, chain }));
    else if (action === "-X") requests.push(deleteChain({ ...where, chain }));
    else if (action === "-D") {
      if (!deletable.has(chain)) {
        const [rules, texts] = [present.get(chain) ?? [], saved.rulesIn(chain)];
        if (rules.length !== texts.length) return undefined;
        deletable.set(chain, Map.groupBy(rules, (_, i) => deletion(texts[i]!)));
      }
      const rule = deletable.get(chain)!.get(command)?.shift();
      if (!rule) return undefined;
      requests.push(deleteRule(rule));
    } else return undefined;
  }
  return requests;
}

/**
 * Removes a chain of iptables-nft and every rule that leads to it, without starting a program.
 * @returns false where iptables-legacy is, or may be, in use
 * @throws {NetlinkError} naming what could not be deleted
 */
export function removeChain(
  family: 4 | 6,
  table: string,
  chain: string,
  purpose: string,
): boolean {
  if (mayBeLegacy(family, table)) return false;
  nftDelete(() => chainRemoval({ family: nftFamily(family), table, chain }), purpose);
  return true;
}

/**
 * Whether iptables works here: installed, permitted, and with a kernel that has its tables.
 * Equivalent to `iptables -t filter -S INPUT 1`.
 */
export async function iptablesWorks(family: 4 | 6): Promise<boolean> {
  try {
    const args = ["--wait", String(LOCK_SECONDS), "-t", "filter", "-S", "INPUT", "1"];
    const { code } = await runTool(toolFor(family, ""), args, "see whether iptables works");
    return code <= 1; // 1: the chain is not there, which is an answer too
  } catch {
    return false;
  }
}

/**
 * Whether a chain may exist, without starting a program: chains of iptables-nft are chains of
 * nftables; those of iptables-legacy are unknown where it uses the table.
 */
export function mayHaveChain(family: 4 | 6, table: string, chain: string): boolean {
  if (mayBeLegacy(family, table)) return true;
  // Without the permission to ask it may: the program then gives the error.
  return ifPermitted(() => hasChain({ family: nftFamily(family), table, chain })) ?? true;
}

/** As {@link mayHaveChain}, for a chain with rules in it. */
export function mayHaveRules(family: 4 | 6, table: string, chain: string): boolean {
  if (mayBeLegacy(family, table)) return true;
  const where = { family: nftFamily(family), table, chain };
  return ifPermitted(() => listRules(where).length > 0) ?? true;
}

/**
 * Whether iptables-legacy may use a table in this network namespace. In a user namespace that is
 * unknown, and the answer is true.
 */
function mayBeLegacy(family: 4 | 6, table: string): boolean {
  const path = `/proc/thread-self/net/ip${family === 4 ? "" : "6"}_tables_names`;
  const names = ifPermitted(() => ifExists(path, () => runtime.files.readText(path)) ?? "");
  return names === undefined || names.split("\n").includes(table);
}

/** Whether a table of iptables is one of nftables, made by iptables-nft. */
export function isNftables(family: 4 | 6, table: string): boolean {
  return !mayBeLegacy(family, table) && ifPermitted(currentGeneration) !== undefined;
}

/** Returns what `ask` returns; undefined where the kernel answers EPERM or EACCES. */
function ifPermitted<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (["EPERM", "EACCES"].includes(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** The family of nftables' tables that iptables-nft or ip6tables-nft works on. */
export function nftFamily(family: 4 | 6): "ip" | "ip6" {
  return family === 4 ? "ip" : "ip6";
}

/** The name by which iptables of a family is called. */
export function iptablesName(family: 4 | 6): "iptables" | "ip6tables" {
  return family === 4 ? "iptables" : "ip6tables";
}

function toolFor(family: 4 | 6, suffix: "" | "-save" | "-restore"): Tool {
  return `${iptablesName(family)}${suffix}`;
}

function refused(purpose: string, command: string, stderr: string): IptablesError {
  const why = stderr.split("\n").filter((line) =>
    line !== "" && !/^(Error occurred|Try )/.test(line)
  );
  return new IptablesError(
    ErrorCode.internal,
    `cannot ${purpose}: ${command}: ${why.join("; ")}${remedy(stderr, "iptables' tables")}`,
    { details: stderr.trim() },
  );
}
