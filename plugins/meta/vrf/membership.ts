/**
 * Moves an interface into or out of a VRF with its addresses and routes. The kernel sets it down
 * for a moment, which removes IPv6 addresses (unless keep_addr_on_down is set) and all routes but
 * those of subnets, and the routes belong into another table afterwards.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import {
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTN_LOCAL,
  RTN_UNICAST,
  RTNLGRP_IPV6_ROUTE,
  RTPROT_KERNEL,
} from "../../../lib/netlink/route.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import type { Address } from "../../../lib/rtnl/address.ts";
import { Changes } from "../../../lib/rtnl/changes.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { onDevice, type Route, whole } from "../../../lib/rtnl/route.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";

/** How long to wait for the kernel's route of an address. Milliseconds. */
const DEADLINE_MS = 3000;

/** The addresses and routes that an interface keeps. */
export interface AddressesAndRoutes {
  /** Its global IPv6 addresses; `unique` ones have passed duplicate address detection. */
  addresses: { address: Cidr; unique: boolean }[];
  /** Its routes but those that come with the addresses. */
  routes: Route[];
  /** Subnets of its addresses whose route was removed, as by ptp, which routes over its gateway. */
  bare: Cidr[];
}

/** Reads an interface's addresses and routes. */
export function addressesAndRoutesOf(inside: Rtnl, device: Link): AddressesAndRoutes {
  const routes = inside.route.list({ device }).filter(({ type }) => type === RTN_UNICAST);
  // Copies in other tables were made by other programs.
  const subnets = routes.filter((route) => isSubnet(route) && route.table === RT_TABLE_MAIN);
  return {
    addresses: ipv6Of(inside, device).map((entry) => ({
      address: entry.address,
      unique: isUsable(entry),
    })),
    routes: routes.filter((route) => !subnets.includes(route)),
    bare: inside.address.list({ device })
      .filter(({ scope }) => scope === RT_SCOPE_UNIVERSE)
      .map(({ address }) => address.network())
      .filter((network) => !subnets.some(({ to }) => to.equals(network))),
  };
}

/**
 * `ip link set DEVICE master MASTER`, or `nomaster`, then restores addresses and routes. Routes of
 * the main table move to the VRF's, or back; those of other tables stay.
 * @param tables the table that the interface leaves, and the one that it joins
 * @throws {NetlinkError} where the kernel refuses
 * @throws {CniError} code 999 when an address does not come back
 */
export async function changeMaster(
  netns: NetNs,
  inside: Rtnl,
  device: Link,
  master: Link | undefined,
  { addresses, routes, bare }: AddressesAndRoutes,
  tables: { from: number; to: number },
): Promise<void> {
  using changes = Changes.in(netns, [RTNLGRP_IPV6_ROUTE]);
  inside.link.set(device, { master: master ?? 0 });
  const present = ipv6Of(inside, device);
  for (const { address, unique } of addresses) {
    const found = present.find((entry) => entry.address.equals(address));
    if (found && (isUsable(found) || !unique)) continue;
    // It has passed duplicate address detection before, which takes more than a second.
    if (found) inside.address.remove(device, address);
    inside.address.add(device, address, { noDad: unique });
  }
  for (const { address } of addresses.filter(({ unique }) => unique)) {
    const own = Cidr.host(address.ip);
    const arrived = () =>
      inside.route.list({ family: 6, device })
        .some(({ to, type }) => type === RTN_LOCAL && to.equals(own));
    if (await changes.until(arrived, DEADLINE_MS)) continue;
    throw CniError.internal(
      `${address} on ${device.name} is not in use ${DEADLINE_MS} ms after the interface ` +
        `${master ? `joined ${master.name}` : "left its VRF"}`,
    );
  }
  leaveTable(inside, device, tables.from);
  inside.route.ensureAll(routes.map((route) => {
    if (route.table !== RT_TABLE_MAIN) return whole(route, device);
    // Of a route that other interfaces share, only this one's part goes into the VRF.
    const moved = master ? onDevice(route, device) : whole(route, device);
    return { ...moved, table: tables.to };
  }));
  for (const route of inside.route.list({ device, table: tables.to }).filter(isSubnet)) {
    if (!bare.some((network) => network.equals(route.to))) continue;
    inside.route.removeIfPresent(onDevice(route, device));
  }
}

/**
 * Removes an interface from routes with next hops on several interfaces. The kernel itself removes
 * the routes of this interface alone.
 */
export function leaveTable(inside: Rtnl, device: Link, table: number): void {
  for (const route of inside.route.list({ device, table })) {
    if (route.via || route.nextHops) inside.route.removeDevice(route, device);
  }
}

/** Whether a route is the one that the kernel adds for an address's subnet. */
function isSubnet({ protocol, type }: Route): boolean {
  return protocol === RTPROT_KERNEL && type === RTN_UNICAST;
}

function ipv6Of(inside: Rtnl, device: Link): Address[] {
  return inside.address.list({ device, family: 6 })
    .filter(({ scope }) => scope === RT_SCOPE_UNIVERSE);
}

function isUsable({ tentative, duplicate }: Address): boolean {
  return !tentative && !duplicate;
}
