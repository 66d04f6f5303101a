import type { IpAddress } from "../ip/address.ts";
import type { Cidr } from "../ip/cidr.ts";
import { cidr, ip } from "../ip/schema.ts";
import type { ResultRoute } from "../types/result.ts";
import { goObject, integer, list, optional, optionalText } from "../types/schema.ts";
import type { Schema } from "../types/schema_type.ts";

/** A route of an IPAM configuration. */
export interface ConfiguredRoute {
  dst: Cidr;
  gw?: IpAddress;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

/** The schema of `routes` in an IPAM configuration. Specification, section 5 ("routes"). */
export function routeList(): Schema<ConfiguredRoute[]> {
  const count = () => optional(integer({ min: 0 }));
  return list(goObject({
    dst: cidr(),
    gw: optionalText(ip()),
    mtu: count(),
    advmss: count(),
    priority: count(),
    table: count(),
    scope: count(),
  }));
}

/** Converts routes for a result; a 0 without meaning is left out, as by the Go plugins. */
export function resultRoutes(
  routes: readonly ConfiguredRoute[] | undefined,
): ResultRoute[] | undefined {
  if (!routes?.length) return undefined;
  return routes.map(({ dst, gw, mtu, advmss, priority, table, scope }) => ({
    dst: dst.toString(),
    ...(gw && { gw: gw.toString() }),
    ...(mtu && { mtu }),
    ...(advmss && { advmss }),
    ...(priority && { priority }),
    ...(table !== undefined && { table }),
    ...(scope !== undefined && { scope }),
  }));
}
