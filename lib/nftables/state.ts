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
  NFT_ELEMENTS,
  NFT_GEN,
  NFT_GETCHAIN,
  NFT_GETGEN,
  NFT_GETRULE,
  NFT_GETSET,
  NFT_GETSETELEM,
  NFT_RULE,
  NFT_SET,
} from "../netlink/nftables.ts";
import { cstring } from "../netlink/codec.ts";
import { NFT_EXPRESSIONS, type ReceivedExpression } from "../netlink/nftables_expressions.ts";
import type { NetlinkSocket } from "../nl/socket.ts";
import type { NftChain } from "./chain.ts";
import type { NftRule } from "./rule.ts";
import type { AnySet, NftMap, NftSet } from "./set.ts";
import { verdictOf } from "./statement.ts";
import type { NftFamily, NftTable } from "./table.ts";

/** The rule set's generation ID, which every change increments. */
export type Generation = Uint8Array;

/** errno of a kernel without nf_tables, or without the family: nothing can exist. */
const NO_NFTABLES = ["ENOENT", "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT", "EAFNOSUPPORT"];

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
    const answers = socket.request({ type: NFT_GETCHAIN, payload, purpose });
    return readAnswer(answers, purpose, NFT_CHAIN.decode).use;
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
 * What is noted of each of a table's chains, by name; none when the table is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function commentsOfChains({ family, table }: NftTable): Map<string, string | undefined> {
  const purpose = `list the chains of table ${family} ${table}`;
  const payload = NFT_CHAIN.encode({ family: NFPROTO[family], table });
  const chains = unlessMissing([], (socket) =>
    readAnswers(
      socket.dump({ type: NFT_GETCHAIN, payload, purpose }),
      purpose,
      NFT_CHAIN.decode,
    )
      .flatMap(({ name, userData, ...chain }): [string, string | undefined][] =>
        chain.table === table && name ? [[name, userData?.comment]] : []
      ));
  return new Map(chains);
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
 * Every base chain of the families inet, ip and ip6: `nft list chains`.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listBaseChains(): BaseChain[] {
  const hooks = Object.keys(NF_HOOKS) as (keyof typeof NF_HOOKS)[];
  const families = ["inet", "ip", "ip6"] as const;
  return families.flatMap((family) => {
    const payload = NFT_CHAIN.encode({ family: NFPROTO[family] });
    const purpose = `list the chains of family ${family}`;
    return unlessMissing([], (socket) =>
      readAnswers(
        socket.dump({ type: NFT_GETCHAIN, payload, purpose }),
        purpose,
        NFT_CHAIN.decode,
      )
        .flatMap(({ table, name, hook, policy }): BaseChain[] => {
          if (!table || !name || !hook) return [];
          const at = hooks.find((each) => NF_HOOKS[each] === hook.number)!;
          return [{
            family,
            table,
            chain: name,
            hook: at,
            policy: policy === 0 ? "drop" : "accept",
          }];
        }));
  });
}

/**
 * The rules of a chain, or of a table; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listRules(where: NftTable & { chain?: string }): NftRule[] {
  const { family, table, chain } = where;
  return unlessMissing([], (socket) => {
    const purpose = `list the rules of ${
      chain ? `chain ${chain} in ` : ""
    }table ${family} ${table}`;
    const payload = NFT_RULE.encode({ family: NFPROTO[family], table, chain });
    const answers = socket.dump({ type: NFT_GETRULE, payload, purpose });
    return readAnswers(answers, purpose, NFT_RULE.decode)
      .filter((rule) => rule.table === table && (!chain || rule.chain === chain))
      .map(({ chain, handle, userData, expressions }) => {
        const comment = userData?.comment;
        return { family, table, chain: chain!, handle: handle!, comment, expressions };
      });
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

/** An element of a set, or of a map where it has a value. */
export interface NftElement<K, V = undefined> {
  key: K;
  value: V;
  comment?: string;
}

/**
 * The names of a table's sets and maps; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listSets({ family, table }: NftTable): string[] {
  const purpose = `list the sets of table ${family} ${table}`;
  const payload = NFT_SET.encode({ family: NFPROTO[family], table });
  return unlessMissing(
    [],
    (socket) =>
      readAnswers(socket.dump({ type: NFT_GETSET, payload, purpose }), purpose, NFT_SET.decode)
        .flatMap((set) => set.table === table && set.name ? [set.name] : []),
  );
}

/**
 * The elements of a set or map; none when it is not there. Elements of other programs that the
 * set's type cannot decode, such as ports of another protocol, are left out.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listElements<K, V>(map: NftMap<K, V>): NftElement<K, V>[];
export function listElements<K>(set: NftSet<K>): NftElement<K>[];
export function listElements(where: AnySet): NftElement<unknown, unknown>[] {
  const { family, table, set } = where;
  const purpose = `list the elements of ${set} in table ${family} ${table}`;
  const payload = NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set });
  return unlessMissing([], (socket) => {
    const answers = socket.dump({ type: NFT_GETSETELEM, payload, purpose });
    return readAnswers(answers, purpose, (answer) => readElements(where, answer)).flat();
  });
}

/**
 * The element of a set or map that has a key; undefined where there is none.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function findElement<K, V>(map: NftMap<K, V>, key: K): NftElement<K, V> | undefined;
export function findElement<K>(set: NftSet<K>, key: K): NftElement<K> | undefined;
export function findElement(where: AnySet, key: unknown): NftElement<unknown, unknown> | undefined {
  const { family, table, set, key: type } = where;
  const elements = { list: [{ key: { value: type.encode(key) } }] };
  return unlessMissing(undefined, (socket) => {
    const purpose = `look for ${type.format(key)} in ${set} of table ${family} ${table}`;
    const payload = NFT_ELEMENTS.encode({ family: NFPROTO[family], table, set, elements });
    const answers = socket.request({ type: NFT_GETSETELEM, payload, purpose });
    return readAnswers(answers, purpose, (answer) => readElements(where, answer)).flat()[0];
  });
}

function readElements(where: AnySet, answer: Uint8Array): NftElement<unknown, unknown>[] {
  const { key: keyType, value: valueType } = where;
  const list = NFT_ELEMENTS.decode(answer).elements?.list ?? [];
  return list.flatMap(({ key, data, userData }) => {
    if (!key?.value) return []; // `*`, which stands for all that are not there
    try {
      const { verdict } = data ?? {};
      const value = valueType === "verdict"
        ? verdict && verdictOf(verdict.code, verdict.chain)
        : data?.value && valueType?.decode(data.value);
      return [{ key: keyType.decode(key.value), value, comment: userData?.comment }];
    } catch (error) {
      if (error instanceof RangeError) return [];
      throw error;
    }
  });
}

function unlessMissing<T>(nothing: T, ask: (socket: NetlinkSocket) => T): T {
  try {
    return ask(netfilter());
  } catch (error) {
    if (error instanceof SystemError && NO_NFTABLES.includes(error.code)) return nothing;
    throw error;
  }
}
