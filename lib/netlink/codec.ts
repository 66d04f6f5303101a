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
import { decodeText } from "../runtime/decode.ts";

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

/** A codec of numbers, which can read and write one in the middle of a message. */
interface NumberCodec extends Fixed<number> {
  at(bytes: Uint8Array, offset: number): number;
  put(bytes: Uint8Array, offset: number, value: number): void;
}

/** The codec of a C structure. */
export interface Struct<T> extends Fixed<T> {
  /** Writes a value into the middle of a message; members that it lacks are left as they are. */
  put(bytes: Uint8Array, offset: number, value: Partial<T>): void;
}

/**
 * Byte by byte: a DataView for each number would take several times as long, and a message about
 * one link has a hundred numbers.
 * @param little the least significant byte first
 */
function number(size: number, little: boolean, signed = false): NumberCodec {
  const at = (bytes: Uint8Array, offset: number) => {
    let value = 0;
    for (let i = 0; i < size; i++) {
      value = value * 256 + (bytes[offset + (little ? size - 1 - i : i)] ?? 0);
    }
    return signed ? value | 0 : value;
  };
  const put = (bytes: Uint8Array, offset: number, value: number) => {
    for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) {
      bytes[offset + (little ? i : size - 1 - i)] = rest;
    }
  };
  return {
    size,
    at,
    put,
    encode(value) {
      const bytes = new Uint8Array(size);
      put(bytes, 0, value);
      return bytes;
    },
    decode: (bytes) => at(bytes, 0),
  };
}

/** A view of exactly `size` bytes, filled up with zeros where there are fewer. */
function view(bytes: Uint8Array, size: number): DataView {
  if (bytes.length >= size) return new DataView(bytes.buffer, bytes.byteOffset, size);
  const padded = new Uint8Array(size);
  padded.set(bytes);
  return new DataView(padded.buffer);
}

export const u8 = number(1, LITTLE);
export const u16 = number(2, LITTLE);
export const u32 = number(4, LITTLE);
export const s32 = number(4, LITTLE, true);
/** Network byte order. */
export const be16 = number(2, false);
/** Network byte order. */
export const be32 = number(4, false);
/** Network byte order, two's complement. */
export const sbe32 = number(4, false, true);

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

const ENCODER = new TextEncoder();

/** Text that ends with a NUL. */
export const cstring: Codec<string> = {
  encode: (text) => ENCODER.encode(text + "\0"),
  decode(bytes) {
    const end = bytes.indexOf(0);
    return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
  },
};

/** Bytes as they are. */
export const raw: Codec<Uint8Array> = {
  encode: (bytes) => bytes,
  decode: (bytes) => bytes.slice(),
};

/** An attribute without payload: NLA_FLAG. */
export const flag: Codec<true> = { encode: () => new Uint8Array(), decode: () => true };

/** An IPv4 or IPv6 address; the length says which. */
export const ip: Codec<IpAddress> = {
  encode: (address) => address.bytes(),
  decode: (bytes) => IpAddress.fromBytes(bytes),
};

/** A hardware address as text, such as `0a:58:0a:01:00:02`. */
export const mac: Codec<string> = { encode: macBytes, decode: formatMac };

/** A C structure: its members one after another, each aligned by the table itself (`pad`). */
export function struct<M extends Record<string, NumberCodec>>(
  members: M,
): Struct<{ [K in keyof M]: number }> {
  const rows = Object.entries(members);
  let size = 0;
  for (const [, member] of rows) size += member.size;
  const put = (bytes: Uint8Array, start: number, value: { [K in keyof M]?: number }) => {
    let offset = start;
    for (const [name, member] of rows) {
      const given = value[name];
      if (given !== undefined) member.put(bytes, offset, given);
      offset += member.size;
    }
  };
  return {
    size,
    put,
    encode(value) {
      const bytes = new Uint8Array(size);
      put(bytes, 0, value);
      return bytes;
    },
    decode(bytes) {
      const value: Record<string, number> = {};
      let offset = 0;
      for (const [name, member] of rows) {
        value[name] = member.at(bytes, offset);
        offset += member.size;
      }
      return value as { [K in keyof M]: number };
    },
  };
}
