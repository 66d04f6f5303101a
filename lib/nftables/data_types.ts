/**
 * The data types of keys of sets, and of values of maps and matches: nft(8), "DATA TYPES".
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { type PortProtocol, PROTOCOL_NUMBERS } from "../ip/port_protocol.ts";
import { macBytes } from "../ip/mac.ts";
import { be16, cstring, u32, u8 } from "../netlink/codec.ts";
import { align } from "../netlink/attributes.ts";

/** A data type: the kernel's encoding of its values, and nft's text. */
export interface DataType<T> {
  /** Length of the encoding. Bytes. */
  readonly size: number;
  encode(value: T): Uint8Array;
  /** Writes a value as `nft` reads it. */
  format(value: T): string;
}

/** A data type that keys of sets can have. */
export interface SetType<T> extends DataType<T> {
  /** As `nft list` names it: `ipv4_addr`. */
  readonly name: string;
  /** nft's number of the type, `enum datatypes`; the kernel only stores it. */
  readonly number: number;
  /** `enum byteorder` of nft: 1 host, 2 network, 0 for a concatenation. */
  readonly byteOrder: 0 | 1 | 2;
  /** Reads a value. @throws {RangeError} for what no value of the type is encoded as */
  decode(bytes: Uint8Array): T;
}

function address(name: string, number: number, size: number): SetType<IpAddress> {
  return {
    name,
    number,
    size,
    byteOrder: 2,
    encode: (value) => value.bytes(),
    decode: (bytes) => IpAddress.fromBytes(bytes.subarray(0, size)),
    format: String,
  };
}

/** An IPv4 address. */
export const ipv4_addr: SetType<IpAddress> = address("ipv4_addr", 7, 4);
/** An IPv6 address. */
export const ipv6_addr: SetType<IpAddress> = address("ipv6_addr", 8, 16);

/** A transport protocol. */
export const inet_proto: SetType<PortProtocol> = {
  ...named(PROTOCOL_NUMBERS, u8),
  name: "inet_proto",
  number: 12,
  byteOrder: 2,
};

/** A port. */
export const inet_service: SetType<number> = {
  name: "inet_service",
  number: 13,
  size: 2,
  byteOrder: 2,
  encode: be16.encode,
  decode: be16.decode,
  format: String,
};

/** An interface's name. */
export const ifname: SetType<string> = {
  name: "ifname",
  number: 41,
  size: 16,
  byteOrder: 1,
  encode(value) {
    const bytes = new Uint8Array(16);
    bytes.set(cstring.encode(value));
    return bytes;
  },
  decode: (bytes) => cstring.decode(bytes.subarray(0, 16)),
  format: (value) => `"${value}"`,
};

/** A hardware address, such as `0a:58:0a:01:00:02`. */
export const ether_addr: DataType<string> = { size: 6, encode: macBytes, format: String };

/** A protocol of the internet layer: NFPROTO_*. */
export const nf_proto = named({ ipv4: 2, ipv6: 10 }, u8);

/** The type of an address by the routing tables: RTN_*. */
export const fib_addrtype = named({ local: 2 }, u32);

/** The state of a packet's connection, a bit each. */
export const ct_state = named({ established: 2, related: 4 }, u32);

/** The status of a connection: IPS_*, a bit each. */
export const ct_status = named({ dnat: 0x20 }, u32);

/**
 * Several types one after another: `ipv4_addr . inet_service`. Each part starts at a multiple of
 * four bytes. A value is a tuple of the parts' values.
 */
export function concatenated<T extends readonly unknown[]>(
  ...parts: { readonly [I in keyof T]: SetType<T[I]> }
): SetType<T> {
  const types = parts as readonly SetType<unknown>[];
  const TYPE_BITS = 6;
  let [number, size] = [0, 0];
  for (const type of types) {
    number = number << TYPE_BITS | type.number;
    size += align(type.size);
  }
  return {
    name: types.map(({ name }) => name).join(" . "),
    number,
    size,
    byteOrder: 0,
    encode(values) {
      const bytes = new Uint8Array(this.size);
      let offset = 0;
      for (const [i, type] of types.entries()) {
        bytes.set(type.encode(values[i]), offset);
        offset += align(type.size);
      }
      return bytes;
    },
    decode(bytes) {
      let offset = 0;
      return types.map((type) => {
        const value = type.decode(bytes.subarray(offset, offset + type.size));
        offset += align(type.size);
        return value;
      }) as unknown as T;
    },
    format: (values) => types.map((type, i) => type.format(values[i])).join(" . "),
  };
}

/** Makes a data type of named numbers. */
function named<N extends string>(numbers: Readonly<Record<N, number>>, codec: typeof u8) {
  return {
    size: codec.size,
    numbers,
    encode: (name: N) => codec.encode(numbers[name]),
    decode(bytes: Uint8Array): N {
      const number = codec.decode(bytes);
      const name = Object.keys(numbers).find((name) => numbers[name as N] === number);
      if (name === undefined) throw new RangeError(`nftables has a value ${number} without a name`);
      return name as N;
    },
    format: (name: N) => name as string,
  };
}
