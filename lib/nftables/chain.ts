import { NLM_F_CREATE, NLM_F_EXCL } from "../netlink/message.ts";
import {
  NF_HOOKS,
  NFPROTO,
  NFT_CHAIN,
  NFT_DELCHAIN,
  NFT_DELRULE,
  NFT_NEWCHAIN,
  NFT_RULE,
} from "../netlink/nftables.ts";
import type { Command } from "./command.ts";
import type { NftTable } from "./table.ts";

/** A chain of a table. */
export interface NftChain extends NftTable {
  chain: string;
}

/** The hook of a base chain, which packets enter without a jump. */
export interface Hook {
  type: "filter" | "nat";
  hook: keyof typeof NF_HOOKS;
  /** Chains of lower priority come first. */
  priority: number;
}

/** nft(8), "Standard priority names": those of families `ip`, `ip6` and `inet`. */
export const PRIORITY = { raw: -300, dstnat: -100, filter: 0, srcnat: 100 } as const;

/** `add chain FAMILY TABLE CHAIN { type … hook … priority …; comment "…"; }` */
export function addChain(chain: NftChain, options?: Partial<Hook> & { comment?: string }): Command {
  return newChain("add", chain, options);
}

/** `create chain FAMILY TABLE CHAIN`: the error EEXIST where it is there already. */
export function createChain(chain: NftChain): Command {
  return newChain("create", chain);
}

function newChain(
  verb: "add" | "create",
  { family, table, chain }: NftChain,
  { type, hook, priority = 0, comment }: Partial<Hook> & { comment?: string } = {},
): Command {
  const body = [
    hook ? `type ${type} hook ${hook} priority ${priority};` : "",
    comment === undefined ? "" : `comment "${comment}";`,
  ].filter((text) => text);
  return {
    type: NFT_NEWCHAIN,
    flags: NLM_F_CREATE | (verb === "create" ? NLM_F_EXCL : 0),
    payload: NFT_CHAIN.encode({
      family: NFPROTO[family],
      table,
      name: chain,
      hook: hook && { number: NF_HOOKS[hook], priority },
      type,
      userData: comment === undefined ? undefined : { comment },
    }),
    purpose: [
      `${verb} chain ${family} ${table} ${chain}`,
      ...body.length ? ["{", ...body, "}"] : [],
    ]
      .join(" "),
  };
}

/** `delete chain FAMILY TABLE CHAIN`, with its rules. No rule and no element may lead to it. */
export function deleteChain({ family, table, chain }: NftChain): Command {
  return {
    type: NFT_DELCHAIN,
    payload: NFT_CHAIN.encode({ family: NFPROTO[family], table, name: chain }),
    purpose: `delete chain ${family} ${table} ${chain}`,
  };
}

/** `flush chain FAMILY TABLE CHAIN` */
export function flushChain({ family, table, chain }: NftChain): Command {
  return {
    type: NFT_DELRULE,
    payload: NFT_RULE.encode({ family: NFPROTO[family], table, chain }),
    purpose: `flush chain ${family} ${table} ${chain}`,
  };
}
