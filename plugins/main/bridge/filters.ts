/**
 * What writes rules to the kernel, loaded where it is asked for: it is a fifth of bridge's code, and
 * an ADD without `ipMasq` and `macspoofchk` needs none of it.
 *
 * @module
 */

/** Loads masquerading. */
export const loadMasquerading = () => import("../../../lib/firewall/masquerade/mod.ts");

/** Loads the filter against forged MAC addresses. */
export const loadSpoofCheck = () => import("./spoof_check.ts");
