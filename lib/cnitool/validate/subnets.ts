/** Arithmetic with the subnets that configurations have. */
import { Address4, Address6 } from "../../deps/ip_address.ts";

/** A range of addresses of one family. */
export interface AddressRange {
  family: 4 | 6;
  first: bigint;
  last: bigint;
}

/** Parses an address, or a subnet with or without host bits; undefined for other text. */
export function parseAddress(text: unknown): Address4 | Address6 | undefined {
  if (typeof text !== "string") return undefined;
  // IPv4-mapped addresses, such as ::ffff:10.0.0.1, are IPv6 here: configurations do not have them.
  if (Address4.isValid(text)) return new Address4(text);
  return Address6.isValid(text) ? new Address6(text) : undefined;
}

/** Returns the subnet of an address with a prefix length. */
export function rangeOf(address: Address4 | Address6): AddressRange {
  return {
    family: address instanceof Address4 ? 4 : 6,
    first: address.startAddress().bigInt(),
    last: address.endAddress().bigInt(),
  };
}

/** Whether an address, whatever its prefix length, is in a range. */
export function includes(
  { family, first, last }: AddressRange,
  address: Address4 | Address6,
): boolean {
  const value = address.bigInt();
  return rangeOf(address).family === family && value >= first && value <= last;
}

/** Whether two ranges have an address in common. */
export function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}
