/**
 * Routing by source: a rule sends what comes from an address to a table of its own, which holds
 * what the main table knows about the interface. Whoever calls holds the namespace's lock.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import type { IpAddress } from "../../../lib/ip/address.ts";
import { RT_SCOPE_LINK, RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import { freeTable, isReserved } from "../../../lib/rtnl/free_table.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { onDevice, type Route, whole } from "../../../lib/rtnl/route.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";

/** Tables are taken from here on, as the Go plugin does. */
const FIRST_TABLE = 100;

/** An address, and the gateway of what comes from it. */
export interface Source {
  own: Cidr;
  gateway?: IpAddress;
}

/**
 * A step of ADD, and how to take it back; both hold the namespace's lock.
 * @param ambiguous it makes several changes, and some may be there when it fails
 */
export type Step = (
  what: string,
  make: (inside: Rtnl) => void,
  remove: (inside: Rtnl) => void,
  ambiguous?: boolean,
) => void;

/** `ip rule add from ADDRESS lookup TABLE` */
export function addRule({ own }: Source, table: number, step: Step): void {
  const rule = { family: own.ip.family, from: Cidr.host(own.ip), table } as const;
  step(
    `the rule for ${own.ip}`,
    (inside) => inside.rule.add(rule),
    (inside) => inside.rule.removeIfPresent(rule),
  );
}

/**
 * Finds a free table for an address and fills it: a default route by the gateway, then every route
 * of the main table that concerns the address or nobody in particular.
 * @param routes what the main table has about the interface
 */
export function addTable(
  inside: Rtnl,
  device: Link,
  source: Source,
  routes: readonly Route[],
  step: Step,
): void {
  const { own, gateway } = source;
  const { family } = own.ip;
  const table = freeTable(inside, FIRST_TABLE);
  addRule(source, table, step);
  const fill = (inside: Rtnl) => {
    if (gateway) inside.route.add({ to: Cidr.default(family), via: gateway, device, table });
    for (const route of routes.map((each) => onDevice(each, device))) {
      if (route.to.ip.family !== family) continue;
      const generic = !route.source && !route.via;
      const concerned = [route.source, route.via].some((ip) => ip && own.contains(ip));
      if (generic || concerned) inside.route.ensure({ ...route, table });
    }
  };
  const empty = (inside: Rtnl) => removeRoutes(inside, device, [table]);
  step(`the routes in table ${table}`, fill, empty, true);
}

/**
 * Gives the subnets in the main table the addresses as preferred source, and keeps what else is on
 * the link.
 * @returns the routes of the main table that are to go
 */
export function addSourceHints(
  inside: Rtnl,
  device: Link,
  sources: readonly Source[],
  routes: readonly Route[],
): Route[] {
  const hinted: Cidr[] = [];
  for (const { own } of sources) {
    const to = own.network();
    // The second address of a subnet would only take the hint from the first.
    if (own.prefix === own.ip.bits || hinted.some((subnet) => subnet.equals(to))) continue;
    const present = routes.find((route) => route.to.equals(to) && !route.via);
    const { priority, protocol } = present ?? {};
    const scope = RT_SCOPE_LINK;
    inside.route.replace({ to, device, source: own.ip, scope, priority, protocol });
    hinted.push(to);
  }
  // IPv6 routes have no scope: those without a gateway are on the link.
  return routes.filter(({ scope, to, via }) =>
    to.ip.family === 4 ? scope !== RT_SCOPE_LINK : via !== undefined
  );
}

/**
 * Takes a device out of routes, which others by other devices may share; those that the kernel took
 * with another are fine.
 */
export function removeMain(inside: Rtnl, device: Link, routes: readonly Route[]): void {
  for (const route of routes) inside.route.removeDevice(route, device);
}

/** Puts routes back that were there before. */
export function restoreMain(inside: Rtnl, device: Link, routes: readonly Route[]): void {
  inside.route.ensureAll(routes.map((route) => whole(route, device)));
}

/** The routes of an interface in the main table. */
export function mainRoutes(inside: Rtnl, device: Link): Route[] {
  return inside.route.list({ table: RT_TABLE_MAIN, device });
}

/** `ip route flush table TABLE dev DEVICE`, for those tables that sbr may have taken. */
export function removeRoutes(inside: Rtnl, device: Link, tables: readonly number[]): void {
  for (const route of inside.route.list({ device })) {
    const own = route.table >= FIRST_TABLE && !isReserved(route.table);
    if (own && tables.includes(route.table)) inside.route.removeIfPresent(onDevice(route, device));
  }
}
