/**
 * What the two threads of a {@link Poller} call the descriptors of the set that one of them waits for.
 *
 * @module
 */

/** The descriptor that ends the waiting. */
export const END_ID = 0;

/** The set of the descriptors that are watched. */
export const WATCHED_ID = 1;
