import type { IpAddress } from "../../../lib/ip/address.ts";
import type { RecordedNetNs } from "../../../lib/ns/recorded.ts";

/** The attachment that an address is reserved for. */
export interface Owner {
  readonly containerId: string;
  /** "" in reservations of old versions of the Go plugin, which name the container only. */
  readonly ifName: string;
}

/**
 * The reservations of a network. A store is locked until it is disposed of.
 *
 * The cost of a method does not depend on the number of reservations, unless it says so.
 */
export interface Store extends Disposable {
  /**
   * Lists the addresses reserved for an attachment; without any, those of old reservations that
   * name its container only.
   */
  heldBy(owner: Owner): IpAddress[];
  /** Finds the owner of an address; undefined when it is free, or its owner is unknown. */
  holderOf(address: IpAddress): Owner | undefined;
  /**
   * Reserves the first of `candidates` that is free. May read all reservations when many
   * candidates in a row are taken.
   * @returns the address, or the number of candidates that were taken
   */
  reserve(candidates: Iterable<IpAddress>, owner: Owner): Reserved;
  /** Releases an address, if it is this owner's. */
  release(address: IpAddress, owner: Owner): void;
  /** Releases all addresses that {@link Store.heldBy} lists. */
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
  /** Lists all reserved addresses. Reads all reservations. */
  addresses(): IpAddress[];
  /**
   * Releases the addresses of owners that `keep` rejects, and those without an owner. Reads all
   * reservations.
   */
  prune(keep: (owner: Owner) => boolean): void;
}

/** @see Store.reserve */
export type Reserved = { address: IpAddress } | { address: undefined; tried: number };
