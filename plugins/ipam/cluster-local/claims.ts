import type { IpAddress } from "../../../lib/ip/address.ts";
import { absent, type Compare, type Operation } from "./etcd/transaction.ts";
import { addressesOf, blockOf, type PoolKeys } from "./keys.ts";
import { encodeRecord } from "./records.ts";
import { type AddressSet, isGivable } from "./settings.ts";

interface Claim {
  keys: PoolKeys;
  block: IpAddress;
  taken: IpAddress[];
  conditions: Compare[];
  changes: Operation[];
}

/** The blocks that one ADD claims. One block may have the addresses of several sets. */
export class Claims {
  readonly #claims = new Map<string, Claim>();

  /** Claims a block that nobody has, with further conditions and changes. */
  add(
    keys: PoolKeys,
    block: IpAddress,
    conditions: readonly Compare[] = [],
    changes: readonly Operation[] = [],
  ): void {
    const key = keys.block(block);
    this.#claims.set(key, {
      keys,
      block,
      taken: [],
      conditions: [absent(key), ...conditions],
      changes: [...changes],
    });
  }

  /** Whether a block that was claimed has an address for a set. */
  fits(keys: PoolKeys, set: AddressSet): boolean {
    return this.#addressesFor(keys, set).length > 0;
  }

  /** Takes an address of a block that was claimed; undefined when it is of none, or taken. */
  take(keys: PoolKeys, address: IpAddress): IpAddress | undefined {
    const claim = this.#claims.get(keys.block(blockOf(address)));
    if (!claim || claim.taken.some((taken) => taken.equals(address))) return undefined;
    claim.taken.push(address);
    return address;
  }

  /** Takes the first address of a set from the blocks that were claimed. */
  takeOf(keys: PoolKeys, set: AddressSet): IpAddress | undefined {
    const [address] = this.#addressesFor(keys, set);
    return address && this.take(keys, address);
  }

  #addressesFor(keys: PoolKeys, set: AddressSet): IpAddress[] {
    return [...this.#claims].flatMap(([key, { block, taken }]) =>
      key !== keys.block(block)
        ? []
        : addressesOf(block).filter((address) =>
          isGivable(set, address) && !taken.some((other) => other.equals(address))
        )
    );
  }

  get conditions(): Compare[] {
    return [...this.#claims.values()].flatMap(({ conditions }) => conditions);
  }

  /**
   * Makes the operations that record the blocks as a node's, and what is not given of them as free.
   */
  changes(node: string): Operation[] {
    return [...this.#claims.values()].flatMap(({ keys, block, taken, changes }) => [
      { put: keys.block(block), value: encodeRecord({ node }) },
      ...addressesOf(block)
        .filter((address) => !taken.some((other) => other.equals(address)))
        .map((address) => ({ put: keys.free(node, address), value: "" })),
      ...changes,
    ]);
  }
}
