/**
 * The statements of rules: nft(8), "STATEMENTS".
 *
 * @module
 */
import { NFPROTO } from "../netlink/nftables.ts";
import {
  type Expression,
  NF_ACCEPT,
  NF_DROP,
  NFT_GOTO,
  NFT_JUMP,
  NFT_REG32_00,
  NFT_REG_1,
  NFT_REG_VERDICT,
  NFT_RETURN,
} from "../netlink/nftables_expressions.ts";

/** The protocol whose header a match loads from. */
export type Protocol = "ip" | "ip6";

/** A statement of a rule. */
export interface Statement {
  /** The statement in nft's language. */
  readonly text: string;
  /** The expressions that the kernel evaluates. */
  readonly expressions: readonly Expression[];
  /** The only protocol whose packets have the field; `addRule` adds a match of it. */
  readonly protocol?: Protocol;
}

/** A verdict on a packet; also the value of a verdict map. */
export interface Verdict extends Statement {
  readonly verdict: { readonly code: number; readonly chain?: string };
}

const VERDICTS: Readonly<Record<number, string>> = {
  [NF_DROP]: "drop",
  [NF_ACCEPT]: "accept",
  [NFT_JUMP]: "jump",
  [NFT_GOTO]: "goto",
  [NFT_RETURN]: "return",
};

/** Makes a verdict. @param code NF_* or NFT_* */
export function verdictOf(code = NF_DROP, chain?: string): Verdict {
  const name = VERDICTS[code] ?? `verdict ${code}`;
  const text = chain === undefined ? name : `${name} ${chain}`;
  const verdict = { code, chain };
  const data = { register: NFT_REG_VERDICT, data: { verdict } };
  return { text, verdict, expressions: [{ name: "immediate", data }] };
}

/** Accepts the packet in this base chain. */
export const accept: Verdict = verdictOf(NF_ACCEPT);
/** Drops the packet. */
export const drop: Verdict = verdictOf(NF_DROP);
/** Returns to the calling chain. */
export const return_: Verdict = verdictOf(NFT_RETURN);

/** Continues in another chain, and returns at its end. */
export function jump(chain: string): Verdict {
  return verdictOf(NFT_JUMP, chain);
}

/** Continues in another chain, without returning. */
export function goto(chain: string): Verdict {
  return verdictOf(NFT_GOTO, chain);
}

/** Translates the source address to that of the outgoing interface. */
export const masquerade: Statement = {
  text: "masquerade",
  expressions: [{ name: "masq", data: {} }],
};

/**
 * `dnat ip to …`: translates the destination address and port.
 * @param to looks both up in a map
 */
export function dnat(protocol: Protocol, to: Statement): Statement {
  const [address, port] = [registerAt(0), registerAt(protocol === "ip" ? 4 : 16)];
  const data = { type: 1, family: NFPROTO[protocol], address, port };
  return {
    text: `dnat ${protocol} to ${to.text}`,
    expressions: [...to.expressions, { name: "nat", data }],
    protocol: to.protocol,
  };
}

/** The register at `offset` from the first one. Bytes, a multiple of four. */
export function registerAt(offset: number): number {
  return offset % 16 === 0 ? NFT_REG_1 + offset / 16 : NFT_REG32_00 + offset / 4;
}
