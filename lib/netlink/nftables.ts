/**
 * Reading nftables: `linux/netfilter/nf_tables.h`. Rule sets are written by the `nft` program;
 * these few messages tell in microseconds what is there.
 */
import { attr, attributes, attrs } from "./attributes.ts";
import { be64, type Codec, cstring, raw } from "./codec.ts";
import { message } from "./message.ts";
import { nfgenmsg } from "./netfilter.ts";

const NFNL_SUBSYS_NFTABLES = 10 << 8;
export const NFT_DELTABLE = NFNL_SUBSYS_NFTABLES | 2;
export const NFT_GETCHAIN = NFNL_SUBSYS_NFTABLES | 4;
export const NFT_GETRULE = NFNL_SUBSYS_NFTABLES | 7;
export const NFT_GETSET = NFNL_SUBSYS_NFTABLES | 10;
export const NFT_GETSETELEM = NFNL_SUBSYS_NFTABLES | 13;

/** `enum nf_inet_hooks`' families: NFPROTO_*. */
export const NFPROTO = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;

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

/** A rule's identity; not what it matches. */
export const NFT_RULE = message(
  nfgenmsg,
  attributes({
    table: attr(1, cstring), //       NFTA_RULE_TABLE
    chain: attr(2, cstring), //       NFTA_RULE_CHAIN
    handle: attr(3, be64), //         NFTA_RULE_HANDLE
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
