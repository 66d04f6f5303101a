/** The names of the backends that rules can be made with; a configuration's `backend`. */

/** The backends that rules can be made with. */
export const BACKENDS = ["iptables", "nftables"] as const;
/** @see BACKENDS */
export type Backend = typeof BACKENDS[number];
