/**
 * The parts of a rule that do something, in nft's words: nft(8), "STATEMENTS".
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

/** Whose header a match reads. */
export type Protocol = "ip" | "ip6";

/** A part of a rule. */
export interface Statement {
  /** As `nft` reads it. */
  readonly text: string;
  /** As the kernel has it. */
  readonly expressions: readonly Expression[];
  /** Only packets of this protocol have what it reads: `nft` has the rule say so, see `addRule`. */
  readonly protocol?: Protocol;
}

/** What becomes of a packet; a map's value too. */
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

/** A verdict. @param code NF_* or NFT_* */
export function verdictOf(code = NF_DROP, chain?: string): Verdict {
  const name = VERDICTS[code] ?? `verdict ${code}`;
  const text = chain === undefined ? name : `${name} ${chain}`;
  const verdict = { code, chain };
  const data = { register: NFT_REG_VERDICT, data: { verdict } };
  return { text, verdict, expressions: [{ name: "immediate", data }] };
}

/** Lets the packet through this base chain. */
export const accept: Verdict = verdictOf(NF_ACCEPT);
/** Throws the packet away. */
export const drop: Verdict = verdictOf(NF_DROP);
/** Goes back to the chain that jumped here. */
export const return_: Verdict = verdictOf(NFT_RETURN);

/** Goes on in another chain, and comes back when that is at its end. */
export function jump(chain: string): Verdict {
  return verdictOf(NFT_JUMP, chain);
}

/** Goes on in another chain, and does not come back. */
export function goto(chain: string): Verdict {
  return verdictOf(NFT_GOTO, chain);
}

/** Gives the connection the source address of the interface that it leaves by. */
export const masquerade: Statement = {
  text: "masquerade",
  expressions: [{ name: "masq", data: {} }],
};

/**
 * `dnat ip to …`: gives the connection another destination address and port.
 * @param to looks an address and a port up in a map
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

/** The register that starts `offset` bytes, a multiple of four, behind where the first one does. */
export function registerAt(offset: number): number {
  return offset % 16 === 0 ? NFT_REG_1 + offset / 16 : NFT_REG32_00 + offset / 4;
}
