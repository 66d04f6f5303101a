/**
 * The expressions of nftables' rules: `linux/netfilter/nf_tables.h`. The kernel evaluates them one
 * after the other, on four registers of 16 bytes, until one does not match.
 *
 * Register 0 is the verdict's, 1 to 4 are the registers, 8 to 23 their sixteen parts of four bytes.
 *
 * @module
 */
import { attr, attributes, attrs, packAttributes } from "./attributes.ts";
import { be32, type Codec, cstring, raw, sbe32, type Value } from "./codec.ts";

/** A value, as it stands in a packet, or a verdict. */
export const NFT_DATA = attributes(() => ({
  value: attr(1, raw), // NFTA_DATA_VALUE
  verdict: attr( //      NFTA_DATA_VERDICT
    2,
    attributes(() => ({
      code: attr(1, sbe32), //    NFTA_VERDICT_CODE: 0 drop, 1 accept, or NFT_*
      chain: attr(2, cstring), // NFTA_VERDICT_CHAIN, with NFT_JUMP and NFT_GOTO
    })),
  ),
}));
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;
export const NFT_RETURN = -5;

export const NFT_REG_VERDICT = 0;
export const NFT_REG_1 = 1;
/** The first part of four bytes of NFT_REG_1. */
export const NFT_REG32_00 = 8;

/** The attributes of each known expression, by its name. */
const TABLES = {
  /** Loads a value into a register, or issues a verdict. */
  immediate: attributes(() => ({
    register: attr(1, be32), // NFTA_IMMEDIATE_DREG
    data: attr(2, NFT_DATA), // NFTA_IMMEDIATE_DATA
  })),
  /** `register = (source & mask) ^ xor` */
  bitwise: attributes(() => ({
    source: attr(1, be32), //   NFTA_BITWISE_SREG
    register: attr(2, be32), // NFTA_BITWISE_DREG
    length: attr(3, be32), //   NFTA_BITWISE_LEN: bytes
    mask: attr(4, NFT_DATA), // NFTA_BITWISE_MASK
    xor: attr(5, NFT_DATA), //  NFTA_BITWISE_XOR
  })),
  /** Continues where a register is equal to a value, or is not. */
  cmp: attributes(() => ({
    source: attr(1, be32), //   NFTA_CMP_SREG
    operator: attr(2, be32), // NFTA_CMP_OP: 0 equal, 1 not equal
    data: attr(3, NFT_DATA), // NFTA_CMP_DATA
  })),
  /** Continues where a set or map contains what a register holds; loads the map's value. */
  lookup: attributes(() => ({
    set: attr(1, cstring), //   NFTA_LOOKUP_SET
    source: attr(2, be32), //   NFTA_LOOKUP_SREG
    register: attr(3, be32), // NFTA_LOOKUP_DREG, with maps
    flags: attr(5, be32), //    NFTA_LOOKUP_FLAGS: 1 (NFT_LOOKUP_F_INV) where it does not contain it
  })),
  /** Loads bytes of a packet. */
  payload: attributes(() => ({
    register: attr(1, be32), // NFTA_PAYLOAD_DREG
    base: attr(2, be32), //     NFTA_PAYLOAD_BASE: 0 link, 1 network, 2 transport header
    offset: attr(3, be32), //   NFTA_PAYLOAD_OFFSET: bytes
    length: attr(4, be32), //   NFTA_PAYLOAD_LEN: bytes
  })),
  /** Loads a packet's metadata. */
  meta: attributes(() => ({
    register: attr(1, be32), // NFTA_META_DREG
    key: attr(2, be32), //      NFTA_META_KEY: NFT_META_*
  })),
  /** Loads a value of a packet's conntrack entry. */
  ct: attributes(() => ({
    register: attr(1, be32), // NFTA_CT_DREG
    key: attr(2, be32), //      NFTA_CT_KEY: NFT_CT_*
  })),
  /** Looks an address up in the routing tables (FIB). */
  fib: attributes(() => ({
    register: attr(1, be32), // NFTA_FIB_DREG
    result: attr(2, be32), //   NFTA_FIB_RESULT: 3 the address's type
    flags: attr(3, be32), //    NFTA_FIB_FLAGS: 2 of the destination
  })),
  /** Translates the source or the destination of a connection. */
  nat: attributes(() => ({
    type: attr(1, be32), //       NFTA_NAT_TYPE: 0 source, 1 destination
    family: attr(2, be32), //     NFTA_NAT_FAMILY: NFPROTO_*
    address: attr(3, be32), //    NFTA_NAT_REG_ADDR_MIN: a register
    addressMax: attr(4, be32), // NFTA_NAT_REG_ADDR_MAX: the kernel tells it for one address too
    port: attr(5, be32), //       NFTA_NAT_REG_PROTO_MIN: a register
    portMax: attr(6, be32), //    NFTA_NAT_REG_PROTO_MAX
    flags: attr(7, be32), //      NFTA_NAT_FLAGS
  })),
  /** Translates the source of a connection to the address of the outgoing interface. */
  masq: attributes(() => ({ flags: attr(1, be32) })), // NFTA_MASQ_FLAGS
  /** A match of iptables: those that `iptables-nft` makes. */
  match: attributes(() => ({
    name: attr(1, cstring), // NFTA_MATCH_NAME
    info: attr(3, raw), //     NFTA_MATCH_INFO: of "comment" the text, filled up with zeros
  })),
};

/** The names of the known expressions. */
export type ExpressionName = keyof typeof TABLES;

/** An expression. */
export type Expression = {
  [N in ExpressionName]: { readonly name: N; readonly data: Value<(typeof TABLES)[N]> };
}[ExpressionName];

/** A received expression; of an unknown one only the name. */
export type ReceivedExpression = Expression | { readonly name: string; readonly data?: undefined };

/** NFTA_EXPR_NAME, and NFTA_EXPR_DATA, whose attributes the name decides. */
const expression: Codec<ReceivedExpression> = {
  encode({ name, data }) {
    const parts = [{ type: 1, payload: cstring.encode(name) }];
    if (data) parts.push({ type: 2, payload: tableOf(name)!.encode(data) });
    return packAttributes(parts);
  },
  decode(bytes) {
    const { name = "", data } = NAMED.decode(bytes);
    const table = data && tableOf(name);
    return table ? { name, data: table.decode(data) } as Expression : { name };
  },
};
const NAMED = attributes(() => ({ name: attr(1, cstring), data: attr(2, raw) }));

function tableOf(name: string): Codec<object> | undefined {
  return Object.hasOwn(TABLES, name) ? TABLES[name as ExpressionName] : undefined;
}

/** NFTA_RULE_EXPRESSIONS: the attribute NFTA_LIST_ELEM, several times. */
export const NFT_EXPRESSIONS = attributes(() => ({ list: attrs(1, expression) }));
