/**
 * nftables' messages: `linux/netfilter/nf_tables.h`. Rules' expressions are in
 * {@link ./nftables_expressions.ts}.
 *
 * @module
 */
import { attr, attributes, attrs } from "./attributes.ts";
import { be32, be64, cstring, raw, sbe32 } from "./codec.ts";
import { message } from "./message.ts";
import { nfgenmsg } from "./netfilter.ts";
import { NFT_DATA } from "./nftables_expressions.ts";
import { COMMENT, SET_DATA } from "./user_data.ts";

const NFNL_SUBSYS_NFTABLES = 10 << 8;
export const NFT_NEWTABLE = NFNL_SUBSYS_NFTABLES | 0;
export const NFT_GETTABLE = NFNL_SUBSYS_NFTABLES | 1;
export const NFT_DELTABLE = NFNL_SUBSYS_NFTABLES | 2;
export const NFT_NEWCHAIN = NFNL_SUBSYS_NFTABLES | 3;
export const NFT_GETCHAIN = NFNL_SUBSYS_NFTABLES | 4;
export const NFT_DELCHAIN = NFNL_SUBSYS_NFTABLES | 5;
export const NFT_NEWRULE = NFNL_SUBSYS_NFTABLES | 6;
export const NFT_GETRULE = NFNL_SUBSYS_NFTABLES | 7;
export const NFT_DELRULE = NFNL_SUBSYS_NFTABLES | 8;
export const NFT_NEWSET = NFNL_SUBSYS_NFTABLES | 9;
export const NFT_GETSET = NFNL_SUBSYS_NFTABLES | 10;
export const NFT_DELSET = NFNL_SUBSYS_NFTABLES | 11;
export const NFT_NEWSETELEM = NFNL_SUBSYS_NFTABLES | 12;
export const NFT_GETSETELEM = NFNL_SUBSYS_NFTABLES | 13;
export const NFT_DELSETELEM = NFNL_SUBSYS_NFTABLES | 14;
export const NFT_GETGEN = NFNL_SUBSYS_NFTABLES | 16;

/** NFNL_MSG_BATCH_*, around the messages of a transaction: `linux/netfilter/nfnetlink.h`. */
export const NFNL_BATCH_BEGIN = 16;
export const NFNL_BATCH_END = 17;

/** The first and the last message of a batch; `resource` is the subsystem of those between. */
export const NFNL_BATCH = message(
  nfgenmsg,
  attributes(() => ({
    generation: attr(1, raw), // NFNL_BATCH_GENID: the kernel refuses the batch in any other
  })),
);
/** NFNL_SUBSYS_NFTABLES, as a batch's `resource`. */
export const NFNL_BATCH_NFTABLES = 10;

/** The rule set's generation ID, which every change increments. */
export const NFT_GEN = message(nfgenmsg, attributes(() => ({ id: attr(1, raw) }))); // NFTA_GEN_ID

/** Protocol families, of tables among others: NFPROTO_*, `linux/netfilter.h`. */
export const NFPROTO = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;

/** Hooks: `enum nf_inet_hooks`, `linux/netfilter.h`. Those of bridges have the same numbers. */
export const NF_HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** A table. */
export const NFT_TABLE = message(
  nfgenmsg,
  attributes(() => ({
    name: attr(1, cstring), //     NFTA_TABLE_NAME
    userData: attr(6, COMMENT), // NFTA_TABLE_USERDATA
  })),
);

/** A chain; one with a hook is a base chain. */
export const NFT_CHAIN = message(
  nfgenmsg,
  attributes(() => ({
    table: attr(1, cstring), // NFTA_CHAIN_TABLE
    name: attr(3, cstring), //  NFTA_CHAIN_NAME
    hook: attr( //              NFTA_CHAIN_HOOK
      4,
      attributes(() => ({
        number: attr(1, be32), //    NFTA_HOOK_HOOKNUM
        priority: attr(2, sbe32), // NFTA_HOOK_PRIORITY
      })),
    ),
    policy: attr(5, be32), //       NFTA_CHAIN_POLICY: 0 drop, 1 accept
    use: attr(6, be32), //          NFTA_CHAIN_USE: its rules, and what leads to it
    type: attr(7, cstring), //      NFTA_CHAIN_TYPE
    userData: attr(12, COMMENT), // NFTA_CHAIN_USERDATA
  })),
);

/** A rule. */
export const NFT_RULE = message(
  nfgenmsg,
  attributes(() => ({
    table: attr(1, cstring), //    NFTA_RULE_TABLE
    chain: attr(2, cstring), //    NFTA_RULE_CHAIN
    handle: attr(3, be64), //      NFTA_RULE_HANDLE
    // Expressions, for NFT_EXPRESSIONS: of few received rules they are ever looked at.
    expressions: attr(4, raw), //  NFTA_RULE_EXPRESSIONS
    position: attr(6, be64), //    NFTA_RULE_POSITION
    userData: attr(7, COMMENT), // NFTA_RULE_USERDATA
  })),
);

/** A set or map. */
export const NFT_SET = message(
  nfgenmsg,
  attributes(() => ({
    table: attr(1, cstring), //      NFTA_SET_TABLE
    name: attr(2, cstring), //       NFTA_SET_NAME
    flags: attr(3, be32), //         NFTA_SET_FLAGS: NFT_SET_*
    keyType: attr(4, be32), //       NFTA_SET_KEY_TYPE: a number that the kernel does not look at
    keyLength: attr(5, be32), //     NFTA_SET_KEY_LEN: bytes
    dataType: attr(6, be32), //      NFTA_SET_DATA_TYPE
    dataLength: attr(7, be32), //    NFTA_SET_DATA_LEN: bytes
    id: attr(10, be32), //           NFTA_SET_ID: one of the batch's own, not 0
    userData: attr(13, SET_DATA), // NFTA_SET_USERDATA
  })),
);
export const NFT_SET_MAP = 0x8;
/** NFTA_SET_DATA_TYPE of maps to verdicts. */
export const NFT_DATA_VERDICT = 0xffffff00;

/** Elements of a set or map; the parts of a concatenation each start at a multiple of four. */
export const NFT_ELEMENTS = message(
  nfgenmsg,
  attributes(() => ({
    table: attr(1, cstring), // NFTA_SET_ELEM_LIST_TABLE
    set: attr(2, cstring), //   NFTA_SET_ELEM_LIST_SET
    elements: attr( //          NFTA_SET_ELEM_LIST_ELEMENTS
      3,
      attributes(() => ({
        list: attrs( //           NFTA_LIST_ELEM
          1,
          attributes(() => ({
            key: attr(1, NFT_DATA), //     NFTA_SET_ELEM_KEY
            data: attr(2, NFT_DATA), //    NFTA_SET_ELEM_DATA
            userData: attr(6, COMMENT), // NFTA_SET_ELEM_USERDATA
          })),
        ),
      })),
    ),
  })),
);
