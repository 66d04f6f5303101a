/**
 * nftables: `linux/netfilter/nf_tables.h`. What is new is written by the `nft` program; these few
 * messages tell in microseconds what is there, and delete it.
 */
import { attr, attributes, attrs } from "./attributes.ts";
import { be64, type Codec, cstring, raw } from "./codec.ts";
import { message } from "./message.ts";
import { nfgenmsg } from "./netfilter.ts";

const NFNL_SUBSYS_NFTABLES = 10 << 8;
export const NFT_DELTABLE = NFNL_SUBSYS_NFTABLES | 2;
export const NFT_GETCHAIN = NFNL_SUBSYS_NFTABLES | 4;
export const NFT_DELCHAIN = NFNL_SUBSYS_NFTABLES | 5;
export const NFT_GETRULE = NFNL_SUBSYS_NFTABLES | 7;
export const NFT_DELRULE = NFNL_SUBSYS_NFTABLES | 8;
export const NFT_GETSET = NFNL_SUBSYS_NFTABLES | 10;
export const NFT_GETSETELEM = NFNL_SUBSYS_NFTABLES | 13;
export const NFT_DELSETELEM = NFNL_SUBSYS_NFTABLES | 14;
export const NFT_GETGEN = NFNL_SUBSYS_NFTABLES | 16;

/** What stands around the messages that are done wholly or not at all: `linux/netfilter/nfnetlink.h`. */
export const NFNL_BATCH_BEGIN = 16;
export const NFNL_BATCH_END = 17;

/** Begins and ends a batch; its `resource` says whose messages it holds. */
export const NFNL_BATCH = message(
  nfgenmsg,
  attributes({
    generation: attr(1, raw), // NFNL_BATCH_GENID: the kernel refuses what was made for another
  }),
);
/** nftables' subsystem number, as a batch's `resource`. */
export const NFNL_BATCH_NFTABLES = 10;

/** The rule set's generation, a number that each change makes greater. */
export const NFT_GEN = message(nfgenmsg, attributes({ id: attr(1, raw) })); // NFTA_GEN_ID

/** `enum nf_inet_hooks`' families: NFPROTO_*. */
export const NFPROTO = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;

/** A table by its name. */
export const NFT_TABLE = message(nfgenmsg, attributes({ name: attr(1, cstring) })); // NFTA_TABLE_NAME

/** A chain by its name. */
export const NFT_CHAIN = message(
  nfgenmsg,
  attributes({
    table: attr(1, cstring), // NFTA_CHAIN_TABLE
    name: attr(3, cstring), //  NFTA_CHAIN_NAME
  }),
);

/**
 * The comment among what `nft` keeps with a rule or an element: byte type, byte length,
 * NUL-terminated text.
 */
const comment: Codec<string | undefined> = {
  encode: () => new Uint8Array(),
  decode(bytes) {
    const NFTNL_UDATA_COMMENT = 0;
    for (let offset = 0; offset + 2 <= bytes.length; offset += 2 + bytes[offset + 1]!) {
      if (bytes[offset] !== NFTNL_UDATA_COMMENT) continue;
      return cstring.decode(bytes.subarray(offset + 2, offset + 2 + bytes[offset + 1]!));
    }
    return undefined;
  },
};

/** The few things that are understood of a rule's expressions. */
interface Expression {
  /** The chain that the rule jumps or goes to. */
  target?: string;
  /** What iptables' match `comment` says. */
  comment?: string;
}

/** NFTA_EXPR_NAME and NFTA_EXPR_DATA; what the data is depends on the name. */
const expression: Codec<Expression> = {
  encode: () => new Uint8Array(),
  decode(bytes) {
    const { name, data } = EXPRESSION.decode(bytes);
    if (data === undefined) return {};
    if (name === "immediate") return { target: IMMEDIATE.decode(data).data?.verdict?.chain };
    const match = name === "match" ? MATCH.decode(data) : undefined;
    return match?.name === "comment" && match.info ? { comment: cstring.decode(match.info) } : {};
  },
};
const EXPRESSION = attributes({ name: attr(1, cstring), data: attr(2, raw) });
const IMMEDIATE = attributes({
  data: attr( //                   NFTA_IMMEDIATE_DATA
    2,
    attributes({
      verdict: attr( //            NFTA_DATA_VERDICT
        2,
        attributes({ chain: attr(2, cstring) }), // NFTA_VERDICT_CHAIN
      ),
    }),
  ),
});
const MATCH = attributes({
  name: attr(1, cstring), // NFTA_MATCH_NAME
  info: attr(3, raw), //     NFTA_MATCH_INFO: for "comment" the text, filled up with zeros
});

/** A rule's expressions, apart: few rules' are ever looked at. */
export const NFT_EXPRESSIONS = attributes({ list: attrs(1, expression) }); // NFTA_LIST_ELEM

/** A rule's identity. */
export const NFT_RULE = message(
  nfgenmsg,
  attributes({
    table: attr(1, cstring), //   NFTA_RULE_TABLE
    chain: attr(2, cstring), //   NFTA_RULE_CHAIN
    handle: attr(3, be64), //     NFTA_RULE_HANDLE
    expressions: attr(4, raw), // NFTA_RULE_EXPRESSIONS, for NFT_EXPRESSIONS
    comment: attr(7, comment), // NFTA_RULE_USERDATA
  }),
);

/** A set or map by its name. */
export const NFT_SET = message(
  nfgenmsg,
  attributes({
    table: attr(1, cstring), // NFTA_SET_TABLE
    name: attr(2, cstring), //  NFTA_SET_NAME
  }),
);

/** Bytes in network order; the parts of a concatenation each start at a multiple of four. */
const data = attributes({ value: attr(1, raw) }); // NFTA_DATA_VALUE; a verdict has none

/** Elements of a set or map. */
export const NFT_ELEMENTS = message(
  nfgenmsg,
  attributes({
    table: attr(1, cstring), // NFTA_SET_ELEM_LIST_TABLE
    set: attr(2, cstring), //   NFTA_SET_ELEM_LIST_SET
    elements: attr( //          NFTA_SET_ELEM_LIST_ELEMENTS
      3,
      attributes({
        list: attrs( //           NFTA_LIST_ELEM
          1,
          attributes({
            key: attr(1, data), //         NFTA_SET_ELEM_KEY
            data: attr(2, data), //        NFTA_SET_ELEM_DATA
            comment: attr(6, comment), //  NFTA_SET_ELEM_USERDATA
          }),
        ),
      }),
    ),
  }),
);
