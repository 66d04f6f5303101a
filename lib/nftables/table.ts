import { NLM_F_CREATE } from "../netlink/message.ts";
import { NFPROTO, NFT_DELTABLE, NFT_NEWTABLE, NFT_TABLE } from "../netlink/nftables.ts";
import type { Command } from "./command.ts";

/** A family of nftables' tables. */
export type NftFamily = keyof typeof NFPROTO;

/** A table. */
export interface NftTable {
  family: NftFamily;
  table: string;
}

/** `add table FAMILY TABLE { comment "…"; }` */
export function addTable({ family, table }: NftTable, comment?: string): Command {
  return {
    type: NFT_NEWTABLE,
    flags: NLM_F_CREATE,
    payload: NFT_TABLE.encode({
      family: NFPROTO[family],
      name: table,
      userData: comment === undefined ? undefined : { comment },
    }),
    purpose: `add table ${family} ${table}` + (comment ? ` { comment "${comment}"; }` : ""),
  };
}

/** `delete table FAMILY TABLE`, with everything in it. */
export function deleteTable({ family, table }: NftTable): Command {
  return {
    type: NFT_DELTABLE,
    payload: NFT_TABLE.encode({ family: NFPROTO[family], name: table }),
    purpose: `delete table ${family} ${table}`,
  };
}
