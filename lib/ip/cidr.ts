import { IpAddress } from "./address.ts";

/**
 * An address with a prefix length: an interface's address, or a network when {@linkcode network}
 * made it.
 */
export class Cidr {
  /** The address, with its bits behind the prefix. */
  readonly ip: IpAddress;
  /** Bits of the network part: 0 to 32 or 128. */
  readonly prefix: number;

  /** An address and its prefix length. @throws {RangeError} when the prefix length does not fit the address */
  constructor(ip: IpAddress, prefix: number) {
    if (!Number.isInteger(prefix) || prefix < 0 || prefix > ip.bits) {
      throw new RangeError(
        `a prefix length of IPv${ip.family} is from 0 to ${ip.bits}, not ${prefix}`,
      );
    }
    this.ip = ip;
    this.prefix = prefix;
  }

  /**
   * Reads `10.1.2.3/24`, keeping the bits behind the prefix. @throws {TypeError} naming the text
   */
  static parse(text: string): Cidr {
    const cidr = Cidr.tryParse(text);
    if (cidr !== undefined) return cidr;
    throw new TypeError(
      `${
        JSON.stringify(text)
      } is not an address with a prefix length such as 10.1.2.3/24 or fd00::3/64`,
    );
  }

  /** {@linkcode parse}, with undefined for what is none. */
  static tryParse(text: string): Cidr | undefined {
    const [, address, digits] = /^([^/]*)\/(0|[1-9][0-9]{0,2})$/.exec(text) ?? [];
    const ip = address === undefined ? undefined : IpAddress.tryParse(address);
    if (address === undefined || ip === undefined) return undefined;
    // Written the IPv6 way, the length of an IPv4 address counts the 96 bits before it.
    const prefix = Number(digits) - (ip.family === 4 && address.includes(":") ? 96 : 0);
    return prefix < 0 || prefix > ip.bits ? undefined : new Cidr(ip, prefix);
  }

  /** The address alone: /32 or /128. */
  static host(ip: IpAddress): Cidr {
    return new Cidr(ip, ip.bits);
  }

  /**
   * Makes the prefix of all addresses of a family, the destination of a default route: `0.0.0.0/0`
   * or `::/0`.
   */
  static default(family: 4 | 6): Cidr {
    return new Cidr(IpAddress.fromValue(family, 0n), 0);
  }

  /** The network: the same prefix with zeros behind it. */
  network(): Cidr {
    return new Cidr(this.first(), this.prefix);
  }

  /** The lowest address, which is the network's own. */
  first(): IpAddress {
    return IpAddress.fromValue(this.ip.family, this.ip.value & ~this.#hostMask());
  }

  /** The highest address. */
  last(): IpAddress {
    return IpAddress.fromValue(this.ip.family, this.ip.value | this.#hostMask());
  }

  /**
   * The address that reaches every host; IPv6 and IPv4 networks of one or two addresses have none.
   */
  broadcast(): IpAddress | undefined {
    return this.ip.family === 4 && this.prefix < 31 ? this.last() : undefined;
  }

  /** The prefix as ones: 255.255.255.0. */
  mask(): IpAddress {
    const all = (1n << BigInt(this.ip.bits)) - 1n;
    return IpAddress.fromValue(this.ip.family, all ^ this.#hostMask());
  }

  /** Whether an address is in the network; never one of the other family. */
  contains(ip: IpAddress): boolean {
    return ip.family === this.ip.family && (ip.value ^ this.ip.value) >> this.#hostBits() === 0n;
  }

  /** Whether the networks have an address in common. */
  overlaps(other: Cidr): boolean {
    return this.prefix <= other.prefix ? this.contains(other.ip) : other.contains(this.ip);
  }

  /** Whether address, bits behind the prefix included, and prefix length are the same. */
  equals(other: Cidr): boolean {
    return this.prefix === other.prefix && this.ip.equals(other.ip);
  }

  /** `10.1.2.3/24`, `fd00::3/64` */
  toString(): string {
    return `${this.ip}/${this.prefix}`;
  }

  /** {@linkcode toString}, for JSON. */
  toJSON(): string {
    return this.toString();
  }

  #hostBits(): bigint {
    return BigInt(this.ip.bits - this.prefix);
  }

  #hostMask(): bigint {
    return (1n << this.#hostBits()) - 1n;
  }
}
