/**
 * The result of a lease's ADD, and its line in `dhcp leases`.
 *
 * @module
 */
import type { Result } from "../../../lib/types/result.ts";
import type { Binding } from "./binding.ts";
import type { Configuration } from "./configuration.ts";
import type { BindingReport } from "./protocol.ts";
import { onCalendar } from "./time.ts";

/** Merges the configurations of both families into one result. */
export function resultOf(configurations: readonly Configuration[]): Result {
  const nameservers = configurations.flatMap(({ dns }) => dns.nameservers ?? []);
  const domain = configurations.find(({ dns }) => dns.domain)?.dns.domain;
  const search = [...new Set(configurations.flatMap(({ dns }) => dns.search ?? []))];
  return {
    ips: configurations.flatMap(({ ips }) => ips),
    routes: configurations.flatMap(({ routes }) => routes),
    dns: {
      ...(nameservers.length > 0 && { nameservers }),
      ...(domain && { domain }),
      ...(search.length > 0 && { search }),
    },
  };
}

/** Reports one family of a lease. */
export function reportOf(
  family: 4 | 6,
  { state, current, problem }: Binding<Configuration>,
): BindingReport {
  return {
    family,
    state,
    addresses: current?.ips.map(({ address }) => address) ?? [],
    ...(current && {
      server: current.server,
      renewAt: onCalendar(current.renewAt),
      rebindAt: onCalendar(current.rebindAt),
      expiresAt: onCalendar(current.expiresAt),
    }),
    ...(current?.since !== undefined && { since: onCalendar(current.since)! }),
    ...(problem && { problem }),
  };
}
