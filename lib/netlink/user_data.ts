/**
 * NFTA_*_USERDATA: bytes that the kernel keeps with a table, chain, rule, set or element, and does
 * not interpret. `nft` writes comments there, and how a set's keys are printed: a byte for the type,
 * a byte for the length, the value. libnftnl's `udata.h`.
 *
 * @module
 */
import { type Codec, cstring, u32 } from "./codec.ts";

/** An attribute of user data: its number in `libnftnl/udata.h`, and the codec of its value. */
type Row<T> = readonly [number: number, codec: Codec<T>];

/** The values of user data, by the names of its attributes; every one is optional. */
type UserData<R extends Record<string, Row<unknown>>> = {
  [K in keyof R]?: R[K] extends Row<infer T> ? T : never;
};

/** Makes the codec of user data with these attributes. Received ones of other numbers are skipped. */
// deno-lint-ignore no-explicit-any -- a table's rows have any types; UserData<R> recovers them
function userData<R extends Record<string, Row<any>>>(rows: R): Codec<UserData<R>> {
  return {
    encode(values) {
      const bytes: number[] = [];
      for (const [name, [number, codec]] of Object.entries(rows)) {
        if (values[name] === undefined) continue;
        const value = codec.encode(values[name]);
        bytes.push(number, value.length, ...value);
      }
      return new Uint8Array(bytes);
    },
    decode(bytes) {
      const values: Record<string, unknown> = {};
      for (let offset = 0; offset + 2 <= bytes.length; offset += 2 + bytes[offset + 1]!) {
        const known = Object.entries(rows).find(([, [number]]) => number === bytes[offset]);
        if (!known) continue;
        const value = bytes.subarray(offset + 2, offset + 2 + bytes[offset + 1]!);
        values[known[0]] = known[1][1].decode(value);
      }
      return values as UserData<R>;
    },
  };
}

/** A table's, chain's, rule's or element's: NFTNL_UDATA_{TABLE,CHAIN,RULE,SET_ELEM}_COMMENT. */
export const COMMENT = userData({ comment: [0, cstring] });

/**
 * That the type is to be printed as a concatenation of the parts in the set's type: `typeof`
 * without an expression behind it.
 */
const concatenation: Codec<true> = {
  // NFTNL_UDATA_SET_TYPEOF_EXPR with EXPR_CONCAT, then NFTNL_UDATA_SET_TYPEOF_DATA, empty.
  encode: () => new Uint8Array([0, 4, ...u32.encode(13), 1, 0]),
  decode: () => true,
};

/** A set's or map's. */
export const SET_DATA = userData({
  keyByteOrder: [0, u32], //        NFTNL_UDATA_SET_KEYBYTEORDER: 0 for none, 1 host, 2 network
  dataByteOrder: [1, u32], //       NFTNL_UDATA_SET_DATABYTEORDER, in maps
  keyParts: [3, concatenation], //  NFTNL_UDATA_SET_KEY_TYPEOF
  dataParts: [4, concatenation], // NFTNL_UDATA_SET_DATA_TYPEOF
  dataInterval: [6, u32], //        NFTNL_UDATA_SET_DATA_INTERVAL: 1 for maps to ranges
});
