/**
 * How values stand on the wire. A message type is a table of rows built from the functions here;
 * lengths, encoding, decoding and the TypeScript type all follow from the table.
 *
 * Numbers are in the machine's own byte order unless they say `be`. A structure from another
 * kernel may be longer or shorter than ours: what is missing reads as zero, what is more is cut.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { formatMac, macBytes } from "../ip/mac.ts";

/** Encodes and decodes values of one type. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** A codec whose values all have the same length. */
export interface Fixed<T> extends Codec<T> {
  readonly size: number;
}

/** The type of the values that a codec handles. */
export type Value<C> = C extends Codec<infer T> ? T : never;

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function number(
  size: number,
  set: (view: DataView, value: number) => void,
  get: (view: DataView) => number,
): Fixed<number> {
  return {
    size,
    encode(value) {
      const bytes = new Uint8Array(size);
      set(new DataView(bytes.buffer), value);
      return bytes;
    },
    decode: (bytes) => get(view(bytes, size)),
  };
}

/** A view of exactly `size` bytes, filled up with zeros where there are fewer. */
function view(bytes: Uint8Array, size: number): DataView {
  if (bytes.length >= size) return new DataView(bytes.buffer, bytes.byteOffset, size);
  const padded = new Uint8Array(size);
  padded.set(bytes);
  return new DataView(padded.buffer);
}

export const u8 = number(1, (v, n) => v.setUint8(0, n), (v) => v.getUint8(0));
export const u16 = number(2, (v, n) => v.setUint16(0, n, LITTLE), (v) => v.getUint16(0, LITTLE));
export const u32 = number(4, (v, n) => v.setUint32(0, n, LITTLE), (v) => v.getUint32(0, LITTLE));
export const s32 = number(4, (v, n) => v.setInt32(0, n, LITTLE), (v) => v.getInt32(0, LITTLE));
/** Network byte order. */
export const be16 = number(2, (v, n) => v.setUint16(0, n), (v) => v.getUint16(0));

export const u64: Fixed<bigint> = {
  size: 8,
  encode(value) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, LITTLE);
    return bytes;
  },
  decode: (bytes) => view(bytes, 8).getBigUint64(0, LITTLE),
};

/** Network byte order. */
export const be64: Fixed<bigint> = {
  size: 8,
  encode(value) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value);
    return bytes;
  },
  decode: (bytes) => view(bytes, 8).getBigUint64(0),
};

/** Text that ends with a NUL. */
export const cstring: Codec<string> = {
  encode: (text) => new TextEncoder().encode(text + "\0"),
  decode(bytes) {
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  },
};

/** Bytes as they are. */
export const raw: Codec<Uint8Array> = {
  encode: (bytes) => bytes,
  decode: (bytes) => bytes.slice(),
};

/** An attribute that says something by being there. */
export const flag: Codec<true> = { encode: () => new Uint8Array(), decode: () => true };

/** An IPv4 or IPv6 address; the length says which. */
export const ip: Codec<IpAddress> = {
  encode: (address) => address.bytes(),
  decode: (bytes) => IpAddress.fromBytes(bytes),
};

/** A hardware address as text, such as `0a:58:0a:01:00:02`. */
export const mac: Codec<string> = { encode: macBytes, decode: formatMac };

/** A C structure: its members one after another, each aligned by the table itself (`pad`). */
export function struct<M extends Record<string, Fixed<number>>>(
  members: M,
): Fixed<{ [K in keyof M]: number }> & { zero: { [K in keyof M]: number } } {
  const rows = Object.entries(members);
  const size = rows.reduce((sum, [, member]) => sum + member.size, 0);
  return {
    size,
    zero: Object.fromEntries(rows.map(([name]) => [name, 0])) as { [K in keyof M]: number },
    encode(value) {
      const bytes = new Uint8Array(size);
      let offset = 0;
      for (const [name, member] of rows) {
        bytes.set(member.encode(value[name]!), offset);
        offset += member.size;
      }
      return bytes;
    },
    decode(bytes) {
      const value: Record<string, number> = {};
      let offset = 0;
      for (const [name, member] of rows) {
        value[name] = member.decode(bytes.subarray(offset));
        offset += member.size;
      }
      return value as { [K in keyof M]: number };
    },
  };
}
