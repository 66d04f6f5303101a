import { formatIpv6, parseIpv6 } from "./ipv6_text.ts";
import { parseIpv4 } from "./ipv4_text.ts";

/** IPv4 addresses as a 128-bit number are `::ffff:0:0/96`. */
const MAPPED = 0xffffn << 32n;

/**
 * An IPv4 or IPv6 address; never changes. An IPv4 address in IPv6 notation (`::ffff:10.0.0.1`) is
 * an IPv4 address, as it is in Go.
 */
export class IpAddress {
  /** 4 for IPv4, 6 for IPv6. */
  readonly family: 4 | 6;
  /** The address as a number of 32 or 128 bits. */
  readonly value: bigint;

  private constructor(family: 4 | 6, value: bigint) {
    this.family = family;
    this.value = value;
  }

  /**
   * Reads an address by the grammar of Go's `net.ParseIP`: no leading zeros in IPv4, no zone,
   * nothing around it.
   *
   * @throws {TypeError} naming the text
   */
  static parse(text: string): IpAddress {
    const address = IpAddress.tryParse(text);
    if (address !== undefined) return address;
    throw new TypeError(`${JSON.stringify(text)} is not an IP address such as 10.1.2.3 or fd00::3`);
  }

  /** {@linkcode parse}, with undefined for what is not an address. */
  static tryParse(text: string): IpAddress | undefined {
    if (!text.includes(":")) {
      const value = parseIpv4(text);
      return value === undefined ? undefined : new IpAddress(4, value);
    }
    const value = parseIpv6(text);
    return value === undefined ? undefined : IpAddress.#fromV6(value);
  }

  /**
   * Reads an address of 4 or 16 bytes in network order.
   * @throws {TypeError} for another number of bytes
   */
  static fromBytes(bytes: Uint8Array): IpAddress {
    if (bytes.length !== 4 && bytes.length !== 16) {
      throw new TypeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
    }
    let value = 0n;
    for (const byte of bytes) value = value << 8n | BigInt(byte);
    return bytes.length === 4 ? new IpAddress(4, value) : IpAddress.#fromV6(value);
  }

  /** Makes the address with a number of 32 or 128 bits. @throws {RangeError} when it has more */
  static fromValue(family: 4 | 6, value: bigint): IpAddress {
    if (value < 0n || value >> BigInt(bitsOf(family)) !== 0n) {
      throw new RangeError(`${value} is beyond the addresses of IPv${family}`);
    }
    return family === 4 ? new IpAddress(4, value) : IpAddress.#fromV6(value);
  }

  static #fromV6(value: bigint): IpAddress {
    return value >> 32n === MAPPED >> 32n
      ? new IpAddress(4, value & 0xffffffffn)
      : new IpAddress(6, value);
  }

  /** 32 or 128. */
  get bits(): 32 | 128 {
    return bitsOf(this.family);
  }

  /** Returns its 4 or 16 bytes, in network order. */
  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.bits / 8);
    for (let rest = this.value, index = bytes.length - 1; index >= 0; index--, rest >>= 8n) {
      bytes[index] = Number(rest & 0xffn);
    }
    return bytes;
  }

  /** The canonical form, RFC 5952 for IPv6. */
  toString(): string {
    return this.family === 4 ? this.bytes().join(".") : formatIpv6(this.value);
  }

  /** {@linkcode toString}, for JSON. */
  toJSON(): string {
    return this.toString();
  }

  /** Whether both are the same address. */
  equals(other: IpAddress): boolean {
    return this.family === other.family && this.value === other.value;
  }

  /**
   * The address `count` further on, or back. @throws {RangeError} when the family has none there
   */
  add(count: number | bigint): IpAddress {
    return IpAddress.fromValue(this.family, this.value + BigInt(count));
  }

  /** Compares two addresses for sorting: negative, zero or positive; IPv4 comes before IPv6. */
  compare(other: IpAddress): number {
    if (this.family !== other.family) return this.family - other.family;
    return this.value < other.value ? -1 : this.value > other.value ? 1 : 0;
  }

  /** Whether it is a loopback address: 127.0.0.0/8, ::1. */
  isLoopback(): boolean {
    return this.family === 4 ? this.#starts(127n, 8) : this.value === 1n;
  }

  /** Whether it is a multicast address: 224.0.0.0/4, ff00::/8. */
  isMulticast(): boolean {
    return this.family === 4 ? this.#starts(0xen, 4) : this.#starts(0xffn, 8);
  }

  /** Whether it is the unspecified address: 0.0.0.0, ::. */
  isUnspecified(): boolean {
    return this.value === 0n;
  }

  /** Whether it is a link-local address: 169.254.0.0/16, fe80::/10. */
  isLinkLocal(): boolean {
    return this.family === 4 ? this.#starts(0xa9fen, 16) : this.#starts(0x3fan, 10);
  }

  /**
   * Whether it is a global unicast address, as Go's `IsGlobalUnicast` says: private addresses are,
   * the limited broadcast address is not.
   */
  isGlobalUnicast(): boolean {
    const isBroadcast = this.family === 4 && this.value === 0xffffffffn;
    return !isBroadcast && !this.isUnspecified() && !this.isLoopback() && !this.isMulticast() &&
      !this.isLinkLocal();
  }

  #starts(prefix: bigint, length: number): boolean {
    return this.value >> BigInt(this.bits - length) === prefix;
  }
}

function bitsOf(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}
