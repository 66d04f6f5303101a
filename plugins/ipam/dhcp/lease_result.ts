import type { Result } from "../../../lib/types/result.ts";
import type { Configuration } from "./configuration.ts";

/** The configurations of both families as one result. */
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
