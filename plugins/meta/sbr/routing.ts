/**
 * Source based routing: a rule for packets from an address leads to a table of its own, with the
 * interface's routes of the main table. Callers hold the namespace's lock.
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

/** The first table that may be used, as in the Go plugin. */
const FIRST_TABLE = 100;

/** An address, and the gateway of packets from it. */
export interface Source {
  own: Cidr;
  gateway?: IpAddress;
  /** Whether the configuration names that gateway, in place of those that there are. */
  isConfigured: boolean;
}

/**
 * Runs a step of ADD that can be undone; both hold the namespace's lock.
 * @param ambiguous the step makes several changes, and may have made some when it fails
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
 * of the main table with a preferred source or gateway in the address's subnet, or with neither;
 * default routes only where no gateway is configured.
 * @param routes the interface's routes in the main table
 */
export function addTable(
  inside: Rtnl,
  device: Link,
  source: Source,
  routes: readonly Route[],
  step: Step,
): void {
  const { own, gateway, isConfigured } = source;
  const { family } = own.ip;
  const table = freeTable(inside, FIRST_TABLE);
  addRule(source, table, step);
  const fill = (inside: Rtnl) => {
    if (gateway) inside.route.add({ to: Cidr.default(family), via: gateway, device, table });
    for (const route of routes.map((each) => onDevice(each, device))) {
      if (route.to.ip.family !== family || isConfigured && route.to.prefix === 0) continue;
      const generic = !route.source && !route.via;
      const concerned = [route.source, route.via].some((ip) => ip && own.contains(ip));
      if (generic || concerned) inside.route.ensure({ ...route, table });
    }
  };
  const empty = (inside: Rtnl) => removeRoutes(inside, device, [table]);
  step(`the routes in table ${table}`, fill, empty, true);
}

/**
 * Sets the addresses as preferred source of their subnets in the main table; other routes of scope
 * link stay.
 * @returns the routes to remove from the main table
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
    // A second address of a subnet would replace the hint of the first.
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
 * Removes a device from routes, which may have next hops on other devices. Routes that the kernel
 * has removed with another one are no error.
 */
export function removeMain(inside: Rtnl, device: Link, routes: readonly Route[]): void {
  for (const route of routes) inside.route.removeDevice(route, device);
}

/** Restores removed routes. */
export function restoreMain(inside: Rtnl, device: Link, routes: readonly Route[]): void {
  inside.route.ensureAll(routes.map((route) => whole(route, device)));
}

/** Lists the routes of an interface in the main table. */
export function mainRoutes(inside: Rtnl, device: Link): Route[] {
  return inside.route.list({ table: RT_TABLE_MAIN, device });
}

/** `ip route flush table TABLE dev DEVICE`, for tables that sbr may have filled. */
export function removeRoutes(inside: Rtnl, device: Link, tables: readonly number[]): void {
  for (const route of inside.route.list({ device })) {
    if (isOwnTable(route.table) && tables.includes(route.table)) {
      inside.route.removeIfPresent(onDevice(route, device));
    }
  }
}

/** Whether sbr may have filled a table. */
export function isOwnTable(table: number): boolean {
  return table >= FIRST_TABLE && !isReserved(table);
}
