/**
 * The state of nftables, read over netlink: what `nft list` prints.
 *
 * @module
 */
import { readAnswer, readAnswers } from "../nl/answers.ts";
import { netfilter } from "../nl/netfilter.ts";
import { SystemError } from "../libc/system_error.ts";
import {
  NF_HOOKS,
  NFPROTO,
  NFT_CHAIN,
  NFT_GEN,
  NFT_GETCHAIN,
  NFT_GETGEN,
  NFT_GETRULE,
  NFT_GETTABLE,
  NFT_RULE,
  NFT_TABLE,
} from "../netlink/nftables.ts";
import { cstring } from "../netlink/codec.ts";
import { NFT_EXPRESSIONS, type ReceivedExpression } from "../netlink/nftables_expressions.ts";
import type { NetlinkRequest, NetlinkSocket } from "../nl/socket.ts";
import { errnoNumber } from "../runtime/errno.ts";
import type { NftChain } from "./chain.ts";
import type { NftRule } from "./rule.ts";
import type { NftFamily, NftTable } from "./table.ts";

/** The rule set's generation ID, which every change increments. */
export type Generation = Uint8Array;

/** errno of a kernel without nf_tables, or without the family: nothing can exist. */
const NO_NFTABLES = ["ENOENT", "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT", "EAFNOSUPPORT"];
const NOTHING = NO_NFTABLES.map((name) => errnoNumber(name)!);

/**
 * Whether a table exists: `nft list table …`.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function hasTable({ family, table }: NftTable): boolean {
  return unlessMissing(false, (socket) => {
    const purpose = `look for table ${family} ${table}`;
    const payload = NFT_TABLE.encode({ family: NFPROTO[family], name: table });
    return socket.request({ type: NFT_GETTABLE, payload, purpose, nothing: NOTHING }).length > 0;
  });
}

/**
 * Whether a chain exists: `nft list chain …`.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function hasChain(chain: NftChain): boolean {
  return usesOf(chain) !== undefined;
}

/**
 * Reads the use count of a chain: its rules, and the rules and elements that lead to it; undefined
 * without the chain.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function usesOf({ family, table, chain }: NftChain): number | undefined {
  return unlessMissing(undefined, (socket) => {
    const purpose = `look for chain ${chain} in table ${family} ${table}`;
    const payload = NFT_CHAIN.encode({ family: NFPROTO[family], table, name: chain });
    const answers = socket.request({ type: NFT_GETCHAIN, payload, purpose, nothing: NOTHING });
    return answers.length === 0 ? undefined : readAnswer(answers, purpose, NFT_CHAIN.decode).use;
  });
}

/**
 * The names of a table's chains; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listChains(table: NftTable): string[] {
  return [...commentsOfChains(table).keys()];
}

/**
 * The comments of a table's chains, by the chains' names; none when the table is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function commentsOfChains({ family, table }: NftTable): Map<string, string | undefined> {
  const purpose = `list the chains of table ${family} ${table}`;
  const payload = NFT_CHAIN.encode({ family: NFPROTO[family], table });
  const chains = listAll({ type: NFT_GETCHAIN, payload, purpose }, NFT_CHAIN.decode);
  return new Map(
    chains.flatMap(({ name, userData, ...chain }) =>
      chain.table === table && name ? [[name, userData?.comment]] : []
    ),
  );
}

/** A base chain: one with a hook. */
export interface BaseChain {
  family: NftFamily;
  table: string;
  chain: string;
  hook: keyof typeof NF_HOOKS;
  /** The verdict on a packet that no rule decided about. */
  policy: "accept" | "drop";
}

/**
 * Lists every base chain of the families inet, ip and ip6: `nft list chains`.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listBaseChains(): BaseChain[] {
  const hooks = Object.keys(NF_HOOKS) as (keyof typeof NF_HOOKS)[];
  const families = ["inet", "ip", "ip6"] as const;
  return families.flatMap((family) => {
    const payload = NFT_CHAIN.encode({ family: NFPROTO[family] });
    const purpose = `list the chains of family ${family}`;
    const chains = listAll({ type: NFT_GETCHAIN, payload, purpose }, NFT_CHAIN.decode);
    return chains.flatMap(({ table, name, hook, policy }): BaseChain[] => {
      if (!table || !name || !hook) return [];
      const at = hooks.find((each) => NF_HOOKS[each] === hook.number)!;
      return [{ family, table, chain: name, hook: at, policy: policy === 0 ? "drop" : "accept" }];
    });
  });
}

/**
 * The rules of a chain, or of a table; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listRules(where: NftTable & { chain?: string }): NftRule[] {
  const { family, table, chain } = where;
  const of = chain ? `chain ${chain} in ` : "";
  const purpose = `list the rules of ${of}table ${family} ${table}`;
  const payload = NFT_RULE.encode({ family: NFPROTO[family], table, chain });
  return listAll({ type: NFT_GETRULE, payload, purpose }, NFT_RULE.decode)
    .filter((rule) => rule.table === table && (!chain || rule.chain === chain))
    .map(({ chain, handle, userData, expressions }) => {
      const comment = userData?.comment;
      return { family, table, chain: chain!, handle: handle!, comment, expressions };
    });
}

/** Reads the expressions of a rule. */
export function readExpressions({ expressions }: NftRule): readonly ReceivedExpression[] {
  return (expressions && NFT_EXPRESSIONS.decode(expressions).list) ?? [];
}

/** The chain that a rule jumps or goes to. */
export function targetOf(rule: NftRule): string | undefined {
  for (const { name, data } of readExpressions(rule)) {
    const target = name === "immediate" ? data?.data?.verdict?.chain : undefined;
    if (target !== undefined) return target;
  }
  return undefined;
}

/** Reads the text of iptables' match `comment` in a rule of iptables-nft. */
export function iptablesComment(rule: NftRule): string | undefined {
  for (const { name, data } of readExpressions(rule)) {
    if (name === "match" && data?.name === "comment" && data.info) return cstring.decode(data.info);
  }
  return undefined;
}

/**
 * The rule set's generation; undefined where the kernel has no nftables.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function currentGeneration(): Generation | undefined {
  return unlessMissing(undefined, (socket) => {
    const purpose = "ask for the rule set's generation";
    const answers = socket.request({ type: NFT_GETGEN, payload: NFT_GEN.encode({}), purpose });
    return readAnswer(answers, purpose, NFT_GEN.decode).id;
  });
}

/**
 * Lists objects of one type; none where the kernel has no nftables, or not what they are in.
 * @param request NFT_GET*, without the flag that makes it a dump
 * @param read decodes the answer about one of them
 */
export function listAll<T>(request: NetlinkRequest, read: (answer: Uint8Array) => T): T[] {
  return unlessMissing([], (socket) => readAnswers(socket.dump(request), request.purpose, read));
}

/**
 * Asks the kernel.
 * @param nothing what is returned where it has no nftables, or not what is asked for
 */
export function unlessMissing<T>(nothing: T, ask: (socket: NetlinkSocket) => T): T {
  try {
    return ask(netfilter());
  } catch (error) {
    if (error instanceof SystemError && NO_NFTABLES.includes(error.code)) return nothing;
    throw error;
  }
}
