/** Who lets a container's packets through. */
import { availableBackend } from "../../../lib/firewall/available.ts";
import type { Backend } from "../../../lib/firewall/backend.ts";
import { firewalldRuns } from "../../../lib/firewall/filter/firewalld.ts";
import { filterSkeleton } from "../../../lib/firewall/filter/nftables.ts";
import type { FilterBackend } from "../../../lib/firewall/filter/types.ts";
import { CniError } from "../../../lib/types/error.ts";
import { adminChainOf, type Options } from "./config.ts";

/** Whether it is firewalld: asked for, or found out, since it would drop what only others let through. */
export function usesFirewalld({ backend }: Options): boolean {
  return backend === "firewalld" || (backend === "" && firewalldRuns());
}

/**
 * Finds the backend that is asked for, or what the host has.
 * @throws {CniError} code 50 when it does not work
 */
export async function availableFilter(options: Options): Promise<FilterBackend> {
  const { backend } = options;
  if (usesFirewalld(options)) {
    if (firewalldRuns()) return "firewalld";
    throw CniError.notAvailable('"backend": "firewalld": firewalld does not run; start it');
  }
  const option = backend ? `"backend": "${backend}"` : "firewall";
  const needs = () => filterSkeleton([adminChainOf(options)]);
  return await availableBackend(backend as Backend || undefined, option, needs);
}
