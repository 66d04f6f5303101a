import type { IpAddress } from "../../../lib/ip/address.ts";
import type { RecordedNetNs } from "../../../lib/ns/recorded.ts";

/** Whom an address is reserved for. */
export interface Owner {
  readonly containerId: string;
  /** "" where an old version of the Go plugin noted the container only. */
  readonly ifName: string;
}

/**
 * The reservations of one network. Whoever has a store has it alone, until it is disposed of.
 *
 * No method's cost may depend on how many addresses are reserved, but for those that say so.
 */
export interface Store extends Disposable {
  /**
   * The addresses reserved for an attachment; where there are none, those of old reservations that
   * name its container only.
   */
  heldBy(owner: Owner): IpAddress[];
  /** Whom an address is reserved for; undefined when it is free, or nobody knows. */
  holderOf(address: IpAddress): Owner | undefined;
  /**
   * Reserves the first of `candidates` that is free. May look at all reservations when many
   * candidates in a row are taken.
   * @returns the address, or how many were tried in vain
   */
  reserve(candidates: Iterable<IpAddress>, owner: Owner): Reserved;
  /** Gives back one address, if it is this owner's. */
  release(address: IpAddress, owner: Owner): void;
  /** Gives back all that {@link Store.heldBy} lists. */
  releaseAll(owner: Owner): void;
  /**
   * Notes which namespace an owner of reservations is in. The note is lost when somebody else
   * changes the reservations.
   */
  noteNetNs(owner: Owner, netns: RecordedNetNs): void;
  /** Whether an owner's namespace is noted, and gone. */
  isKnownGone(owner: Owner): boolean;
  /** The address of a set that was reserved last, as noted by {@link Store.noteLastReserved}. */
  lastReserved(setIndex: number): IpAddress | undefined;
  noteLastReserved(setIndex: number, address: IpAddress): void;
  /** All reserved addresses. Looks at all. */
  addresses(): IpAddress[];
  /**
   * Gives back what is reserved for nobody that `keep` accepts, and what nobody is noted for.
   * Looks at all.
   */
  prune(keep: (owner: Owner) => boolean): void;
}

/** @see Store.reserve */
export type Reserved = { address: IpAddress } | { address: undefined; tried: number };
