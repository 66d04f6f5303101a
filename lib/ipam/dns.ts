import type { Dns } from "../types/config.ts";

/**
 * Chooses the DNS settings of a result: those of the network configuration where it has any (an
 * empty list counts: it says there are none), else those that IPAM gave.
 */
export function chooseDns(configured: Dns | undefined, fromIpam: Dns | undefined): Dns | undefined {
  const { nameservers, search, options, domain } = configured ?? {};
  return nameservers || search || options || domain ? configured : fromIpam;
}
