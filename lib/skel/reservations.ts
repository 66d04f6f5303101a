/**
 * The addresses of an IPAM plugin, for administrators: which are held by whom, and freeing them.
 */

/** A set of addresses, one of which each attachment is given. */
export interface Pool {
  /** First and last address of each range, like `10.1.0.1-10.1.0.254`. */
  ranges: string[];
  /** How many addresses it can give. */
  size: bigint;
  /** How many of them attachments hold. */
  held: number;
}

/** An address that is given to an attachment. */
export interface Reservation {
  /** Without a prefix length. */
  address: string;
  /** "" where no container is recorded. */
  containerId: string;
  /** "" where only the container is recorded. */
  ifName: string;
  /** The node that the container is on, where several share the addresses. */
  node?: string;
  /** When it was given, in milliseconds since 1970; undefined where that is unknown. */
  sinceMs?: number;
  /** Index of its pool; undefined where it is in none that the configuration has now. */
  pool?: number;
}

/** What an IPAM plugin knows of one network's addresses. */
export interface Reservations {
  /** Where they are kept: a directory, a socket, a cluster's address. */
  source: string;
  /** Empty where the plugin does not choose addresses: a DHCP server or the configuration does. */
  pools: Pool[];
  /** Every address that is given to somebody. */
  reservations: Reservation[];
}

/** Lists and frees the addresses of an IPAM plugin. `C` is a call without a command. */
export interface ReservationBook<C> {
  /**
   * Lists a network's addresses.
   *
   * @throws {CniError} where the configuration is wrong, or what is kept cannot be read
   */
  list(call: C): Reservations | Promise<Reservations>;
  /**
   * Frees an address, whoever holds it.
   *
   * @param reservation as {@linkcode ReservationBook.list} returned it
   * @throws {CniError} where that is not possible
   */
  free(call: C, reservation: Reservation): void | Promise<void>;
  /** Present where several nodes share the addresses. */
  readonly shared?: SharedBook<C>;
}

/** What an administrator decides about addresses that several nodes share. */
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
  /** Allows addresses to be given again, after {@linkcode SharedBook.restore}. */
  open(call: C): Promise<void>;
}
