/**
 * Comparisons of CHECK: an interface still has the addresses and routes of a result.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { parseMac } from "../ip/mac.ts";
import { RT_TABLE_MAIN } from "../netlink/route.ts";
import type { Link } from "../rtnl/link.ts";
import type { Rtnl } from "../rtnl/rtnl.ts";
import { CniError } from "../types/error.ts";
import type { IpConfig, Result, ResultRoute } from "../types/result.ts";
import { addressOf } from "./configure.ts";

/**
 * Expects every address of `ips` on the interface, with its prefix length.
 * @throws {CniError} code 999 naming the address and what is there instead
 */
export function expectAddresses(inside: Rtnl, link: Link, ips: readonly IpConfig[]): void {
  const present = inside.address.list({ device: link }).map(({ address }) => String(address));
  for (const entry of ips) {
    const wanted = String(addressOf(entry));
    if (present.includes(wanted)) continue;
    throw CniError.internal(
      `Failed to match addr ${wanted} on interface ${link.name}: it has ${
        present.join(", ") || "no addresses"
      }`,
    );
  }
}

/**
 * Expects every route of a result in the table it names. A later plugin may have moved one that
 * names none, or 0, which is main to the kernel: into the table of the VRF that the interface is in,
 * or one that a rule leads to for packets from an address of the interface.
 * @throws {CniError} code 999 naming the route and its table
 */
export function expectRoutes(inside: Rtnl, link: Link, routes: readonly ResultRoute[]): void {
  if (routes.length === 0) return;
  const present = inside.route.list();
  for (const { dst, gw, table } of routes) {
    const to = Cidr.parse(dst).network();
    const via = gw ? IpAddress.parse(gw) : undefined;
    const isIn = (tables: readonly number[]) =>
      present.some((route) =>
        tables.includes(route.table) && route.to.equals(to) &&
        // A later plugin may have changed the gateway of a default route.
        (!via || via.isUnspecified() || to.prefix === 0 ||
          [route, ...route.nextHops ?? []].some((hop) => hop.via?.equals(via)))
      );
    if (isIn([table || RT_TABLE_MAIN])) continue;
    if (!table && isIn(tablesFor(inside, link))) continue;
    throw CniError.internal(
      `Expected Route ${dst}${gw ? ` via ${gw}` : ""} not found in routing table ` +
        `${!table || table === RT_TABLE_MAIN ? "main" : table}`,
    );
  }
}

/** Lists the tables, other than main, in which packets of an interface are looked up. */
function tablesFor(inside: Rtnl, link: Link): number[] {
  const vrf = link.master === undefined ? undefined : inside.link.find(link.master);
  const own = inside.address.list({ device: link }).map(({ address }) => address.ip);
  const ruled = inside.rule.list().filter(({ from }) => own.some((ip) => from?.contains(ip)));
  return [...vrf?.data.table === undefined ? [] : [vrf.data.table], ...ruled.map((r) => r.table)];
}

/**
 * Finds the container's interface of this name in a previous result.
 * @throws {CniError} code 999 when the result has none, or in another sandbox
 */
export function expectInterface(
  result: Result,
  ifName: string,
  netns: string,
): { name: string; mac?: string; index: number } {
  const interfaces = result.interfaces ?? [];
  const index = interfaces.findIndex(({ name, sandbox }) => name === ifName && sandbox === netns);
  const found = interfaces[index];
  if (found) return { name: found.name, mac: found.mac, index };
  const other = interfaces.find(({ name, sandbox }) => name === ifName && sandbox);
  throw CniError.internal(
    other
      ? `Sandbox in prevResult ${other.sandbox} doesn't match configured netns: ${netns}`
      : `prevResult has no interface ${ifName} in ${netns}`,
  );
}

/**
 * Expects that the interface still has its hardware address.
 * @param mac the address in the previous result; undefined expects nothing
 * @throws {CniError} code 999
 */
export function expectMac(link: Link, mac: string | undefined): void {
  if (!mac || parseMac(mac) === link.address) return;
  throw CniError.internal(`interface ${link.name} has MAC ${link.address}, prevResult says ${mac}`);
}
