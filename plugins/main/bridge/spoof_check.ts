/**
 * The filter against forged MAC addresses: what a container sends with another source address than
 * its own is dropped where it enters the bridge. Table, chains and comments are named as the Go
 * plugin names them, so that either removes the other's.
 *
 * @module
 */
import { nftApply, NftError, nftList } from "../../../lib/nftables/program.ts";
import { deleteChain } from "../../../lib/nftables/chain.ts";
import { nftDelete } from "../../../lib/nftables/delete.ts";
import { deleteRule } from "../../../lib/nftables/rule.ts";
import { hasChain, listRules } from "../../../lib/nftables/state.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, type JsonValue, sortKeys } from "../../../lib/types/json.ts";

const TABLE = "bridge nat";
const BASE = "PREROUTING";
const WHERE = { family: "bridge", table: "nat" } as const;
const COMMENT_PREFIX = "macspoofchk-";
const CHAIN_PREFIX = "cni-br-iface-";

/**
 * Lets only `mac` through from `port`, the host's end of a pair.
 * @throws {CniError} when nft refuses
 */
export async function addSpoofCheck(owner: Attachment, port: string, mac: string): Promise<void> {
  const { id, comment, chain, macChain } = namesOf(owner);
  if (macChain.length > 127) {
    throw CniError.invalidEnvironment(
      `"macspoofchk" names an nftables chain after container and interface, and ${id} is too long: ` +
        "a chain's name has at most 127 characters",
    );
  }
  const note = `comment "${comment}"`;
  const rules = [
    `create chain ${TABLE} ${chain}`,
    `create chain ${TABLE} ${macChain}`,
    `add rule ${TABLE} ${BASE} iifname "${port}" jump ${chain} ${note}`,
    `add rule ${TABLE} ${chain} jump ${macChain} ${note}`,
    `add rule ${TABLE} ${macChain} ether saddr ${mac} return ${note}`,
    `add rule ${TABLE} ${macChain} drop ${note}`,
  ];
  const purpose = `let only ${mac} through from ${port}`;
  try {
    // Nearly always the table is there and the chains are not. To restate what exists would make
    // nft wait for a grace period, some 15 ms.
    await nftApply(rules, purpose);
  } catch (error) {
    if (!(error instanceof NftError && (error.missing || error.exists))) throw error;
    const skeleton = [
      `add table ${TABLE}`,
      `add chain ${TABLE} ${BASE} { type filter hook prerouting priority -300; policy accept; }`,
    ];
    removeSpoofCheck(owner);
    await nftApply([...skeleton, ...rules], purpose);
  }
}

/** Removes an attachment's filter; one that is not there is fine. Table and base chain stay. */
export function removeSpoofCheck(owner: Attachment): void {
  const { id, comment, chain, macChain } = namesOf(owner);
  const find = () => {
    const jumps = listRules({ ...WHERE, chain: BASE }).filter((rule) => rule.comment === comment);
    // In this order: a chain cannot be deleted while a rule jumps to it.
    const chains = [chain, macChain].map((name) => ({ ...WHERE, chain: name })).filter(hasChain);
    return [...jumps.map(deleteRule), ...chains.map(deleteChain)];
  };
  nftDelete(find, `remove the MAC filter of ${id}`);
}

/**
 * Removes the filters of attachments that are gone. Their names do not say which network they
 * belong to; but a filter whose port does not exist guards nothing, whosever it was.
 */
export async function gcSpoofChecks(valid: readonly Attachment[]): Promise<void> {
  if (!hasChain({ ...WHERE, chain: BASE })) return;
  const known = new Set(valid.map(({ containerId, ifName }) => `${containerId}-${ifName}`));
  const { chains, rules } = await listTable();
  using host = Rtnl.open();
  const dead = rules.filter(({ chain, comment = "", expr }) =>
    chain === BASE && comment.startsWith(COMMENT_PREFIX) &&
    !known.has(comment.slice(COMMENT_PREFIX.length)) &&
    !expr.some(({ match }) => match && host.link.find(String(match.right)))
  );
  // A chain that nothing jumps to any more guards nothing either; one jumps to the other.
  const used = new Set(rules.filter((rule) => !dead.includes(rule)).flatMap(targetsOf));
  const first = chains.filter((name) =>
    name.startsWith(CHAIN_PREFIX) && !known.has(name.slice(CHAIN_PREFIX.length)) && !used.has(name)
  );
  const second = first.map((name) => `${name}-mac`).filter((name) => chains.includes(name));
  const requests = [
    ...dead.map(({ handle }) => deleteRule({ ...WHERE, chain: BASE, handle: BigInt(handle) })),
    ...[...first, ...second].map((chain) => deleteChain({ ...WHERE, chain })),
  ];
  nftDelete(() => requests, "remove the MAC filters of attachments that are gone");
}

/** @throws {CniError} code 999 when the filter is not as {@link addSpoofCheck} made it */
export async function expectSpoofCheck(
  owner: Attachment,
  port: string,
  mac: string,
): Promise<void> {
  const { chain, macChain } = namesOf(owner);
  const { rules } = await listTable();
  const expected: [chain: string, ...expressions: JsonValue[]][] = [
    [BASE, match({ meta: { key: "iifname" } }, port), { jump: { target: chain } }],
    [chain, { jump: { target: macChain } }],
    [macChain, match({ payload: { protocol: "ether", field: "saddr" } }, mac), { return: null }],
    [macChain, { drop: null }],
  ];
  for (const [where, ...expressions] of expected) {
    const wanted = canonical(expressions);
    if (rules.some((rule) => rule.chain === where && canonical(rule.expr) === wanted)) continue;
    throw CniError.internal(
      `the filter of forged MAC addresses of ${port} is incomplete: chain ${where} of nftables ` +
        `table ${TABLE} lacks the rule ${wanted}`,
    );
  }
}

function match(left: JsonValue, right: string): JsonValue {
  return { match: { op: "==", left, right } };
}

function canonical(value: JsonValue): string {
  return encodeJson(sortKeys(value));
}

function namesOf({ containerId, ifName }: Attachment) {
  const id = `${containerId}-${ifName}`;
  const chain = CHAIN_PREFIX + id;
  return { id, comment: COMMENT_PREFIX + id, chain, macChain: `${chain}-mac` };
}

/** A rule as `nft -j` prints it, in parts. */
interface Rule {
  chain: string;
  handle: number;
  comment?: string;
  expr: { match?: { right: JsonValue }; jump?: { target: string } }[];
}

function targetsOf({ expr }: Rule): string[] {
  return expr.flatMap(({ jump }) => jump ? [jump.target] : []);
}

/** What is in the table; nothing when it does not exist. */
async function listTable(): Promise<{ chains: string[]; rules: Rule[] }> {
  const listed = (await nftList(["table", ...TABLE.split(" ")]) ?? []) as unknown as {
    chain?: { name: string };
    rule?: Rule;
  }[];
  return {
    chains: listed.flatMap(({ chain }) => chain ? [chain.name] : []),
    rules: listed.flatMap(({ rule }) => rule ? [rule] : []),
  };
}
