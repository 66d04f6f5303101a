import type { IpAddress } from "../ip/address.ts";
import { CniError } from "../types/error.ts";
import { AddressRange, type RangeOptions } from "./range.ts";

/** Ranges of one address family. An attachment is given one address of each set. */
export class RangeSet {
  readonly ranges: readonly AddressRange[];

  /** @throws {CniError} code 7 when it is empty, mixes families or overlaps itself */
  constructor(options: readonly RangeOptions[]) {
    this.ranges = options.map((range) => new AddressRange(range));
    const [first] = this.ranges;
    if (!first) throw CniError.invalidConfig("empty range set: it needs at least one subnet");
    for (const [index, range] of this.ranges.entries()) {
      if (range.start.family !== first.start.family) {
        throw CniError.invalidConfig(
          `mixed address families: ${first.subnet} and ${range.subnet}; ` +
            "each family needs a set of its own",
        );
      }
      const other = this.ranges.slice(0, index).find((earlier) => earlier.overlaps(range));
      if (other) throw CniError.invalidConfig(`subnets ${other} and ${range} overlap`);
    }
  }

  get family(): 4 | 6 {
    return this.ranges[0]!.start.family;
  }

  /** The number of addresses that it can allocate. */
  get size(): bigint {
    return this.ranges.reduce((sum, { size }) => sum + size, 0n);
  }

  /** Finds the range of an address. */
  rangeOf(address: IpAddress): AddressRange | undefined {
    return this.ranges.find((range) => range.contains(address));
  }

  overlaps(other: RangeSet): boolean {
    return this.ranges.some((range) => other.ranges.some((theirs) => range.overlaps(theirs)));
  }

  /**
   * Iterates over the addresses that it can allocate, each once, round-robin from the one after
   * `last`: a released address is allocated again only after all others.
   * @param last the address allocated last; where it is not in the set, the first one comes first
   */
  *after(last?: IpAddress): Generator<IpAddress> {
    const { ranges } = this;
    const first = last && ranges.find((range) => range.contains(last));
    if (!last || !first) {
      for (const range of ranges) yield* addresses(range, range.start.value, range.end.value);
      return;
    }
    const from = ranges.indexOf(first);
    yield* addresses(first, last.value + 1n, first.end.value);
    for (const range of [...ranges.slice(from + 1), ...ranges.slice(0, from)]) {
      yield* addresses(range, range.start.value, range.end.value);
    }
    yield* addresses(first, first.start.value, last.value);
  }

  toString(): string {
    return this.ranges.join(",");
  }
}

function* addresses(range: AddressRange, from: bigint, to: bigint): Generator<IpAddress> {
  const { start, gateway } = range;
  for (let value = from; value <= to; value++) {
    if (value === gateway.value && gateway.family === start.family) continue;
    yield start.add(value - start.value);
  }
}
