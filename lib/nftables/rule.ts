import { NFPROTO, NFT_DELRULE, NFT_RULE } from "../netlink/nftables.ts";
import type { NftChain } from "./chain.ts";
import type { Command } from "./command.ts";

/** A rule: its chain and its handle. */
export interface NftRule extends NftChain {
  handle: bigint;
  comment?: string;
  /** NFTA_RULE_EXPRESSIONS, encoded. */
  expressions?: Uint8Array;
}

/** `delete rule FAMILY TABLE CHAIN handle HANDLE` */
export function deleteRule({ family, table, chain, handle }: NftRule): Command {
  return {
    type: NFT_DELRULE,
    payload: NFT_RULE.encode({ family: NFPROTO[family], table, chain, handle }),
    purpose: `delete rule ${family} ${table} ${chain} handle ${handle}`,
  };
}
