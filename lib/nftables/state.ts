/**
 * What nftables has, asked over netlink: starting `nft` for it takes a hundred times as long, and
 * a DEL mostly finds nothing to do.
 *
 * @module
 */
import { netfilter } from "../nl/netfilter.ts";
import { SystemError } from "../libc/system_error.ts";
import {
  NFPROTO,
  NFT_CHAIN,
  NFT_ELEMENTS,
  NFT_EXPRESSIONS,
  NFT_GEN,
  NFT_GETCHAIN,
  NFT_GETGEN,
  NFT_GETRULE,
  NFT_GETSET,
  NFT_GETSETELEM,
  NFT_RULE,
  NFT_SET,
} from "../netlink/nftables.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

/** A family of nftables' tables. */
export type NftFamily = keyof typeof NFPROTO;

/** A table. */
export interface NftTable {
  family: NftFamily;
  table: string;
}

/** A chain of a table. */
export interface NftChain extends NftTable {
  chain: string;
}

/** What tells one rule from another. */
export interface NftRule extends NftChain {
  handle: bigint;
  /** nft's comment; for iptables' see {@link iptablesComment}. */
  comment?: string;
  /** As the kernel has them. */
  expressions?: Uint8Array;
}

/** What a rule set was like at one time: each change makes it another. */
export type Generation = Uint8Array;

/** errno of a kernel without nf_tables, or without the family: nothing can be there. */
const NO_NFTABLES = ["ENOENT", "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT", "EAFNOSUPPORT"];

/**
 * `nft list chain …` as a question.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function hasChain({ family, table, chain }: NftChain): boolean {
  return unlessMissing(false, (socket) => {
    socket.request({
      type: NFT_GETCHAIN,
      payload: NFT_CHAIN.encode({ family: NFPROTO[family], table, name: chain }),
      purpose: `look for chain ${chain} in table ${family} ${table}`,
    });
    return true;
  });
}

/**
 * The rules of a chain, or of a table; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listRules(where: NftTable & { chain?: string }): NftRule[] {
  const { family, table, chain } = where;
  return unlessMissing([], (socket) => {
    const answers = socket.dump({
      type: NFT_GETRULE,
      payload: NFT_RULE.encode({ family: NFPROTO[family], table, chain }),
      purpose: `list the rules of ${chain ? `chain ${chain} in ` : ""}table ${family} ${table}`,
    });
    return answers.map((answer) => NFT_RULE.decode(answer))
      .filter((rule) => rule.table === table && (!chain || rule.chain === chain))
      .map(({ chain, handle, comment, expressions }) => {
        return { family, table, chain: chain!, handle: handle!, comment, expressions };
      });
  });
}

/** The chain that a rule jumps or goes to. */
export function targetOf({ expressions }: NftRule): string | undefined {
  return understood(expressions).find(({ target }) => target !== undefined)?.target;
}

/** What iptables' match `comment` says in a rule of iptables-nft. */
export function iptablesComment({ expressions }: NftRule): string | undefined {
  return understood(expressions).find(({ comment }) => comment !== undefined)?.comment;
}

function understood(expressions: Uint8Array | undefined) {
  return (expressions && NFT_EXPRESSIONS.decode(expressions).list) ?? [];
}

/**
 * The rule set's generation; undefined where the kernel has no nftables.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function currentGeneration(): Generation | undefined {
  return unlessMissing(undefined, (socket) => {
    const purpose = "ask for the rule set's generation";
    const [answer] = socket.request({ type: NFT_GETGEN, payload: NFT_GEN.encode({}), purpose });
    return answer && NFT_GEN.decode(answer).id;
  });
}

/** One element of a set or map. */
export interface NftElement {
  set: string;
  /** In network order; the parts of a concatenation each start at a multiple of four. */
  key: Uint8Array;
  /** What a map maps to, in the same form; absent in sets and for verdicts. */
  data?: Uint8Array;
  comment?: string;
}

/**
 * The elements of all sets and maps of a table; none when it is not there.
 * @throws {SystemError} EPERM without CAP_NET_ADMIN
 */
export function listElements({ family, table }: NftTable): NftElement[] {
  const purpose = `list the sets of table ${family} ${table}`;
  const whose = { family: NFPROTO[family], table };
  return unlessMissing([], (socket) => {
    const sets = socket.dump({ type: NFT_GETSET, payload: NFT_SET.encode(whose), purpose })
      .map((answer) => NFT_SET.decode(answer)).filter((set) => set.table === table);
    return sets.flatMap(({ name: set }) => {
      const payload = NFT_ELEMENTS.encode({ ...whose, set });
      return socket.dump({ type: NFT_GETSETELEM, payload, purpose })
        .flatMap((answer) => NFT_ELEMENTS.decode(answer).elements?.list ?? [])
        .map(({ key, data, comment }) => ({
          set: set!,
          key: key?.value ?? new Uint8Array(),
          data: data?.value,
          comment,
        }));
    });
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
