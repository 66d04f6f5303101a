/** Chooses the backend that accepts a container's packets. */
import type { Backend } from "../../../lib/firewall/backend_names.ts";
import type { FilterBackend } from "../../../lib/firewall/filter/types.ts";
import { CniError } from "../../../lib/types/error.ts";
import { adminChainOf } from "./config.ts";
import type { Options } from "./options.ts";

/** Whether firewalld runs. What asks it is loaded where no backend is configured. */
export async function firewalldRuns(): Promise<boolean> {
  const firewalld = await import("../../../lib/firewall/filter/firewalld.ts");
  return await firewalld.firewalldRuns();
}

/**
 * Whether the backend is firewalld: configured, or running, since it drops what it does not accept.
 */
export async function usesFirewalld({ backend }: Options): Promise<boolean> {
  return backend === "firewalld" || (backend === "" && await firewalldRuns());
}

/**
 * Finds the configured backend, or one that works on the host.
 * @throws {CniError} code 50 when it does not work
 */
export async function availableFilter(options: Options): Promise<FilterBackend> {
  const { backend } = options;
  if (await usesFirewalld(options)) {
    if (await firewalldRuns()) return "firewalld";
    throw CniError.notAvailable('"backend": "firewalld": firewalld does not run; start it');
  }
  const { availableBackend } = await import("../../../lib/firewall/available.ts");
  const { filterSkeleton } = await import("../../../lib/firewall/filter/nftables.ts");
  const option = backend ? `"backend": "${backend}"` : "firewall";
  const needs = () => filterSkeleton([adminChainOf(options)]);
  return await availableBackend(backend as Backend || undefined, option, needs);
}

/**
 * Expects for STATUS a backend that works, and warns where its rules cannot let packets through.
 * @throws {CniError} as {@link availableFilter}
 */
export async function requireFilter(options: Options): Promise<void> {
  const { requireNotes, warnOfDrops } = await import("../../../lib/firewall/available.ts");
  const { filterNotes } = await import("../../../lib/firewall/filter/notes.ts");
  requireNotes(filterNotes());
  const backend = await availableFilter(options);
  warnOfDrops(backend);
}
