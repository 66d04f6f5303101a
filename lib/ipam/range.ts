import type { IpAddress } from "../ip/address.ts";
import type { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";

/** A range of a configuration. */
export interface RangeOptions {
  subnet: Cidr;
  rangeStart?: IpAddress;
  rangeEnd?: IpAddress;
  gateway?: IpAddress;
}

/** A range of a subnet, both ends included, whose addresses are allocated to containers. */
export class AddressRange {
  readonly subnet: Cidr;
  readonly start: IpAddress;
  readonly end: IpAddress;
  /** The gateway's address, which is not allocated. It need not be in the range. */
  readonly gateway: IpAddress;

  /**
   * Makes a range. Without bounds it is the whole subnet, but for the network's own address and
   * IPv4's broadcast address; the gateway is the subnet's first address unless stated.
   * @throws {CniError} code 7
   */
  constructor({ subnet, rangeStart, rangeEnd, gateway }: RangeOptions) {
    const { ip, prefix } = subnet;
    if (prefix > ip.bits - 2) {
      throw CniError.invalidConfig(
        `Network ${subnet} too small to allocate from; the longest prefix is /${ip.bits - 2}`,
      );
    }
    if (!ip.equals(subnet.first())) {
      throw CniError.invalidConfig(
        `Network has host bits set. For a subnet mask of length ${prefix} the network address is ` +
          `${subnet.first()}, not ${ip}`,
      );
    }
    this.subnet = subnet;
    this.gateway = gateway ?? ip.add(1);
    this.start = rangeStart ?? ip.add(1);
    this.end = rangeEnd ?? (ip.family === 4 ? subnet.last().add(-1) : subnet.last());
    for (const [name, bound] of [["RangeStart", this.start], ["RangeEnd", this.end]] as const) {
      if (!subnet.contains(bound)) {
        throw CniError.invalidConfig(`${name} ${bound} not in network ${subnet}`);
      }
    }
    if (this.start.compare(this.end) > 0) {
      throw CniError.invalidConfig(
        `RangeStart ${this.start} of network ${subnet} is behind its RangeEnd ${this.end}`,
      );
    }
  }

  /** The number of addresses that it can allocate. */
  get size(): bigint {
    const all = this.end.value - this.start.value + 1n;
    return this.contains(this.gateway) ? all - 1n : all;
  }

  contains(address: IpAddress): boolean {
    return address.family === this.start.family &&
      address.compare(this.start) >= 0 && address.compare(this.end) <= 0;
  }

  overlaps(other: AddressRange): boolean {
    return this.contains(other.start) || other.contains(this.start);
  }

  toString(): string {
    return `${this.start}-${this.end}`;
  }
}
