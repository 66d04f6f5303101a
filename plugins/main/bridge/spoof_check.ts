/**
 * The filter against forged MAC addresses: frames from a container with another source address than
 * its own are dropped at the bridge port. Table, chains and comments are named as in the Go plugin,
 * so that either removes the other's.
 *
 * @module
 */
import { requireNft } from "../../../lib/firewall/available.ts";
import { applyBatch } from "../../../lib/nftables/batch.ts";
import type { Command } from "../../../lib/nftables/command.ts";
import {
  addChain,
  createChain,
  deleteChain,
  type NftChain,
  PRIORITY,
} from "../../../lib/nftables/chain.ts";
import { ifname } from "../../../lib/nftables/data_types.ts";
import { nftDelete } from "../../../lib/nftables/delete.ts";
import { ether, meta } from "../../../lib/nftables/field.ts";
import { addRule } from "../../../lib/nftables/new_rule.ts";
import { deleteRule, type NftRule } from "../../../lib/nftables/rule.ts";
import {
  hasChain,
  listChains,
  listRules,
  readExpressions,
  targetOf,
} from "../../../lib/nftables/state.ts";
import { drop, jump, return_, type Statement } from "../../../lib/nftables/statement.ts";
import { doSame, stepsOf, valueOf } from "../../../lib/nftables/steps.ts";
import { addTable } from "../../../lib/nftables/table.ts";
import { formatMac } from "../../../lib/ip/mac.ts";
import { BatchError } from "../../../lib/nl/error.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";

const TABLE = { family: "bridge", table: "nat" } as const;
const BASE: NftChain = { ...TABLE, chain: "PREROUTING" };
const COMMENT_PREFIX = "macspoofchk-";
const CHAIN_PREFIX = "cni-br-iface-";

/**
 * Expects for STATUS the kernel options that the filter needs.
 * @throws {CniError} code 50 when the kernel has not what the filter is made of
 */
export function requireSpoofCheck(): void {
  const rule = addRule(BASE, [meta.iifname.is("lo"), ether.saddr.is("00:00:00:00:00:00"), return_]);
  requireNft('"macspoofchk"', [...spoofCheckSkeleton(), rule]);
}

/** Makes the table and base chain that all filters share. Repeatable. */
function spoofCheckSkeleton(): Command[] {
  return [
    addTable(TABLE),
    addChain(BASE, { type: "filter", hook: "prerouting", priority: PRIORITY.raw }),
  ];
}

/** A filter: the host's end of a pair, and the only MAC address that it lets through. */
export interface SpoofCheck {
  readonly port: string;
  readonly mac: string;
}

/** Finds the filter of an earlier ADD of an attachment, at a port that still exists. */
export function findSpoofCheck(owner: Attachment): SpoofCheck | undefined {
  const { chain, macChain } = namesOf(owner);
  if (!hasChain(chainNamed(chain))) return undefined;
  const entry = listRules(BASE).find((rule) => targetOf(rule) === chain);
  const port = entry && portOf(entry);
  const mac = listRules(chainNamed(macChain))
    .flatMap((rule) => valueOf(stepsOf(readExpressions(rule)), ether.saddr) ?? [])[0];
  if (port === undefined || !mac) return undefined;
  using host = Rtnl.open();
  return host.link.find(port) ? { port, mac: formatMac(mac) } : undefined;
}

/**
 * Undoes {@link addSpoofCheck}, or makes the filter that of an earlier ADD of the same attachment.
 * @param earlier what {@link findSpoofCheck} returned before
 */
export function takeBackSpoofCheck(owner: Attachment, earlier: SpoofCheck | undefined): void {
  if (earlier) addSpoofCheck(owner, earlier.port, earlier.mac);
  else removeSpoofCheck(owner);
}

/**
 * Lets only `mac` through from `port`, the host's end of a pair.
 * @throws {CniError} naming the rule that was refused
 */
export function addSpoofCheck(owner: Attachment, port: string, mac: string): void {
  const { id, comment, chain, macChain } = namesOf(owner);
  // The kernel accepts other names, but `nft` cannot read them in its own listing.
  if (!/^[\w./-]{1,127}$/.test(macChain)) {
    throw CniError.invalidEnvironment(
      `"macspoofchk" names an nftables chain after container and interface, and ${id} does not ` +
        "make one: at most 110 letters, digits and characters of ./-_",
    );
  }
  const commands = [
    createChain(chainNamed(chain)),
    createChain(chainNamed(macChain)),
    ...rulesOf(owner, port, mac).map(([where, statements]) => addRule(where, statements, comment)),
  ];
  const purpose = `let only ${mac} through from ${port}`;
  try {
    // Nearly always the table exists and the chains do not. Adding existing ones again would have
    // the kernel wait for a grace period when the process ends, some 15 ms.
    applyBatch(commands, purpose);
  } catch (error) {
    if (!(error instanceof BatchError && ["ENOENT", "EEXIST"].includes(error.code))) throw error;
    removeSpoofCheck(owner);
    applyBatch([...spoofCheckSkeleton(), ...commands], purpose);
  }
}

/** Makes the rules of a filter, each with its chain. */
function rulesOf(
  owner: Attachment,
  port: string,
  mac: string,
): (readonly [chain: NftChain, statements: readonly Statement[]])[] {
  const { chain, macChain } = namesOf(owner);
  return [
    [BASE, [meta.iifname.is(port), jump(chain)]],
    [chainNamed(chain), [jump(macChain)]],
    [chainNamed(macChain), [ether.saddr.is(mac), return_]],
    [chainNamed(macChain), [drop]],
  ];
}

/** Removes an attachment's filter; a missing one is no error. Table and base chain stay. */
export function removeSpoofCheck(owner: Attachment): void {
  const { id, comment, chain, macChain } = namesOf(owner);
  const find = () => {
    const jumps = listRules(BASE).filter((rule) => rule.comment === comment);
    // In this order: a chain cannot be deleted while a rule jumps to it.
    const chains = [chain, macChain].map(chainNamed).filter(hasChain);
    return [...jumps.map(deleteRule), ...chains.map(deleteChain)];
  };
  nftDelete(find, `remove the MAC filter of ${id}`);
}

/**
 * Removes the filters of attachments that are gone. Their names do not contain the network; but a
 * filter whose port does not exist has no effect, on any network.
 */
export function gcSpoofChecks(valid: readonly Attachment[]): void {
  if (!hasChain(BASE)) return;
  const known = new Set(valid.map(({ containerId, ifName }) => `${containerId}-${ifName}`));
  const rules = listRules(TABLE);
  const chains = new Set(listChains(TABLE));
  using host = Rtnl.open();
  const dead = rules.filter((rule) => {
    const { chain, comment = "" } = rule;
    if (chain !== BASE.chain || !comment.startsWith(COMMENT_PREFIX)) return false;
    const port = portOf(rule);
    return !known.has(comment.slice(COMMENT_PREFIX.length)) &&
      (port === undefined || !host.link.find(port));
  });
  // A chain without a jump to it has no effect either; one chain jumps to the other.
  const used = new Set(rules.filter((rule) => !dead.includes(rule)).map(targetOf));
  const first = [...chains].filter((name) =>
    name.startsWith(CHAIN_PREFIX) && !known.has(name.slice(CHAIN_PREFIX.length)) && !used.has(name)
  );
  const second = first.map((name) => `${name}-mac`).filter((name) => chains.has(name));
  const commands = [
    ...dead.map(deleteRule),
    ...[...first, ...second].map((name) => deleteChain(chainNamed(name))),
  ];
  nftDelete(() => commands, "remove the MAC filters of attachments that are gone");
}

/** Expects the filter of {@link addSpoofCheck}. @throws {CniError} code 999 when it differs */
export function expectSpoofCheck(owner: Attachment, port: string, mac: string): void {
  const lacking = lackingOfSpoofCheck(owner, port, mac);
  if (lacking === undefined) return;
  throw CniError.internal(
    `the filter of forged MAC addresses of ${port} is incomplete: ${lacking}`,
  );
}

/** Describes a missing rule of {@link addSpoofCheck}; undefined where none is. */
export function lackingOfSpoofCheck(
  owner: Attachment,
  port: string,
  mac: string,
): string | undefined {
  const present = Map.groupBy(listRules(TABLE), ({ chain }) => chain);
  for (const [{ chain }, statements] of rulesOf(owner, port, mac)) {
    const wanted = stepsOf(statements.flatMap(({ expressions }) => expressions));
    const rules = present.get(chain) ?? [];
    if (rules.some((rule) => doSame(stepsOf(readExpressions(rule)), wanted))) continue;
    return `chain ${chain} of nftables table ${TABLE.family} ${TABLE.table} lacks the rule ` +
      `"${statements.map(({ text }) => text).join(" ")}"`;
  }
  return undefined;
}

/** Reads the port in a rule's `iifname PORT`. */
function portOf(rule: NftRule): string | undefined {
  const name = valueOf(stepsOf(readExpressions(rule)), meta.iifname);
  return name && ifname.decode(name);
}

function chainNamed(chain: string): NftChain {
  return { ...TABLE, chain };
}

function namesOf({ containerId, ifName }: Attachment) {
  const id = `${containerId}-${ifName}`;
  const chain = CHAIN_PREFIX + id;
  return { id, comment: COMMENT_PREFIX + id, chain, macChain: `${chain}-mac` };
}
