/**
 * An interface that joins or leaves a VRF keeps its addresses and routes. The kernel takes it down
 * for a moment, upon which IPv6 addresses (unless keep_addr_on_down is set) and all routes but those
 * of the subnets are lost, and the new ones belong into another table.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import {
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTN_LOCAL,
  RTNLGRP_IPV6_ROUTE,
  RTPROT_KERNEL,
} from "../../../lib/netlink/route.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import type { Address } from "../../../lib/rtnl/address.ts";
import { Changes } from "../../../lib/rtnl/changes.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { onDevice, type Route } from "../../../lib/rtnl/route.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";

/** The kernel needs a fraction of a millisecond for an address's route. Milliseconds. */
const DEADLINE_MS = 3000;

/** What an interface is to keep. */
export interface Belongings {
  /** Its global IPv6 addresses. */
  addresses: Cidr[];
  /** Its routes but those that come with the addresses. */
  routes: Route[];
}

/** What an interface has in the main table. */
export function belongingsOf(inside: Rtnl, device: Link): Belongings {
  const routes = inside.route.list({ device, table: RT_TABLE_MAIN })
    .filter(({ protocol }) => protocol !== RTPROT_KERNEL);
  // What is looked for duplicates of right now is looked for again.
  return { addresses: ipv6Of(inside, device).filter(usable).map(({ address }) => address), routes };
}

/**
 * `ip link set DEVICE master MASTER`, or `nomaster`, and everything is there again.
 * @param table where its routes belong then
 * @throws {NetlinkError} where the kernel refuses; {CniError} code 999 when an address does not come
 *   back
 */
export function changeMaster(
  netns: NetNs,
  inside: Rtnl,
  device: Link,
  master: Link | undefined,
  { addresses, routes }: Belongings,
  table: number,
): void {
  using changes = Changes.in(netns, [RTNLGRP_IPV6_ROUTE]);
  inside.link.set(device, { master: master ?? 0 });
  const present = ipv6Of(inside, device);
  for (const address of addresses) {
    const found = present.find((entry) => entry.address.equals(address));
    if (found && usable(found)) continue;
    // It was found to be unique before: looking again would take more than a second.
    if (found) inside.address.remove(device, address);
    inside.address.add(device, address, { noDad: true });
  }
  for (const address of addresses) {
    const own = Cidr.host(address.ip);
    const arrived = () =>
      inside.route.list({ family: 6, device })
        .some(({ to, type }) => type === RTN_LOCAL && to.equals(own));
    if (changes.until(arrived, DEADLINE_MS)) continue;
    throw CniError.internal(
      `${address} on ${device.name} is not in use ${DEADLINE_MS} ms after the interface ` +
        `${master ? `joined ${master.name}` : "left its VRF"}`,
    );
  }
  // Those on the link first: they lead to the gateways.
  const byGateway = ({ via }: Route) => Number(via !== undefined);
  for (const route of [...routes].sort((a, b) => byGateway(a) - byGateway(b))) {
    inside.route.replace({ ...onDevice(route, device), table });
  }
}

function ipv6Of(inside: Rtnl, device: Link): Address[] {
  return inside.address.list({ device, family: 6 })
    .filter(({ scope }) => scope === RT_SCOPE_UNIVERSE);
}

function usable({ tentative, duplicate }: Address): boolean {
  return !tentative && !duplicate;
}
