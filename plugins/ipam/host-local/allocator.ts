import type { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { RangeSet } from "../../../lib/ipam/range_set.ts";
import type { Owner, Store } from "./store.ts";

/** A reserved address, as in a result. */
export interface Allocation {
  readonly address: IpAddress;
  /** The address with its subnet's prefix length. */
  readonly cidr: Cidr;
  readonly gateway: IpAddress;
}

/** A request for an address. */
export interface AllocationRequest {
  readonly owner: Owner;
  readonly set: RangeSet;
  /** Index of the set in the configuration. */
  readonly setIndex: number;
  /** The only acceptable address, which is in the set. */
  readonly requested?: IpAddress;
}

/**
 * Reserves one address of a set: the one requested, else the next in turn.
 * @throws {CniError} code 11 when it is taken, or all are; 7 when it is the gateway's; 999 when the
 *   attachment has one already
 */
export function allocate(store: Store, request: AllocationRequest): Allocation {
  const { set, setIndex } = request;
  const address = request.requested
    ? reserveRequested(store, request)
    : reserveNext(store, request);
  try {
    store.noteLastReserved(setIndex, address);
  } catch (error) {
    store.release(address, request.owner);
    throw error;
  }
  const { subnet, gateway } = set.rangeOf(address)!;
  return { address, cidr: new Cidr(address, subnet.prefix), gateway };
}

function reserveRequested(store: Store, { owner, set, requested }: AllocationRequest): IpAddress {
  const address = requested!;
  if (address.equals(set.rangeOf(address)!.gateway)) {
    throw CniError.invalidConfig(`requested ip ${address} is subnet's gateway; ask for another`);
  }
  if (store.reserve([address], owner).address) return address;
  const holder = store.holderOf(address);
  if (holder && store.isKnownGone(holder)) {
    store.release(address, holder);
    warn(`host-local: ${address} was held by ${describe(holder)}, which is gone\n`);
    if (store.reserve([address], owner).address) return address;
  }
  throw CniError.tryAgainLater(
    `requested IP address ${address} is not available in range set ${set}: it is held by ${
      holder ? describe(holder) : "nobody known"
    }; a DEL of that container, a GC or "cnitool ipam NETWORK --free ${address}" releases it`,
  );
}

function reserveNext(store: Store, { owner, set, setIndex }: AllocationRequest): IpAddress {
  const present = store.heldBy(owner).find((address) => set.rangeOf(address));
  if (present) {
    throw CniError.internal(
      `${present} has been allocated to ${owner.containerId}, duplicate allocation is not allowed: ` +
        `interface ${owner.ifName} of that container holds it; DEL must come before another ADD`,
    );
  }
  const reserved = store.reserve(set.after(store.lastReserved(setIndex)), owner);
  if (reserved.address) return reserved.address;
  throw CniError.tryAgainLater(exhausted(set, reserved.tried));
}

/**
 * Whether all addresses of a set are reserved.
 * @param addresses all that are reserved
 */
export function isExhausted(set: RangeSet, addresses: readonly IpAddress[]): boolean {
  if (BigInt(addresses.length) < set.size) return false;
  const taken = addresses.filter((address) => {
    const range = set.rangeOf(address);
    return range && !address.equals(range.gateway);
  });
  return BigInt(taken.length) >= set.size;
}

/** Describes a set without free addresses, for an error. */
export function exhausted(set: RangeSet, taken: number | bigint): string {
  return `no IP addresses available in range set: ${set}: ${taken} of ${set.size} are taken; ` +
    "widen the range, or let the runtime collect garbage (GC)";
}

/** Describes an owner: "container abc, interface eth0". */
export function describe({ containerId, ifName }: Owner): string {
  return `container ${containerId}${ifName && `, interface ${ifName}`}`;
}
