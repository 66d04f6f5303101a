/** What an IPAM plugin can tell of the addresses that it gives, beside giving them. */

/** Addresses that an attachment is given one of. */
export interface Pool {
  /** First and last address of each range, like `10.1.0.1-10.1.0.254`. */
  ranges: string[];
  /** How many addresses it can give. */
  size: bigint;
  /** How many of them are given. */
  held: number;
}

/** An address that is given to an attachment. */
export interface Reservation {
  /** Without a prefix length. */
  address: string;
  /** "" where nobody is noted. */
  containerId: string;
  /** "" where only the container is noted. */
  ifName: string;
  /** The node that the container is on, where several share the addresses. */
  node?: string;
  /** When it was given, in milliseconds since 1970; undefined where nobody knows. */
  sinceMs?: number;
  /** Index of its pool; undefined where it is in none that the configuration has now. */
  pool?: number;
}

/** What an IPAM plugin knows of one network's addresses. */
export interface Reservations {
  /** Where that is kept: a directory, a socket, a cluster's address. */
  source: string;
  /** Empty where others decide what is given: a DHCP server, the configuration. */
  pools: Pool[];
  /** Every address that is given to somebody. */
  reservations: Reservation[];
}

/** How an IPAM plugin tells of its addresses. `C` is a call without a command. */
export interface ReservationBook<C> {
  /**
   * Tells of a network's addresses.
   *
   * @throws {CniError} where the configuration is wrong, or what is kept cannot be read
   */
  list(call: C): Reservations | Promise<Reservations>;
  /**
   * Gives an address back, whoever holds it.
   *
   * @param reservation what {@linkcode ReservationBook.list} told of it
   * @throws {CniError} where that is not possible
   */
  free(call: C, reservation: Reservation): void | Promise<void>;
  /** Where several nodes share the addresses. */
  readonly shared?: SharedBook<C>;
}

/** What somebody has to decide about addresses that several nodes share. */
export interface SharedBook<C> {
  /** Lists the addresses that a node's containers hold, and whether it is known to run. */
  heldBy(call: C, node: string): Promise<{ addresses: string[]; wasSeen: boolean }>;
  /**
   * Releases what a node that is gone had.
   *
   * @throws {CniError} code 7 for this node itself
   */
  releaseNode(call: C, node: string): Promise<void>;
  /** Writes back what this node holds, after a backup of the shared store was restored. */
  restore(call: C): Promise<{ restored: string[]; conflicts: string[] }>;
  /** Lets addresses be given again after that. */
  open(call: C): Promise<void>;
}
