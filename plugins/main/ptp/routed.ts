/**
 * Both ends of the pair: how the container reaches its gateway, and the host the container.
 *
 * @module
 */
import type { Namespaces } from "../../../lib/attach/namespaces.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { addressOf } from "../../../lib/ipam/configure.ts";
import { expectAddresses } from "../../../lib/ipam/expect.ts";
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { expectUp, type Link } from "../../../lib/rtnl/link.ts";
import { type NewRoute, onDevice } from "../../../lib/rtnl/route.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig } from "../../../lib/types/result.ts";

/** An address and the gateway it is reached through. */
export interface Routed {
  own: Cidr;
  gateway: IpAddress;
}

/** Finds the gateway of an address. @throws {CniError} code 7 without a usable one */
export function requireGateway(ip: IpConfig): Routed {
  const own = addressOf(ip);
  const gateway = IpAddress.tryParse(ip.gateway ?? "");
  if (gateway?.family === own.ip.family && !gateway.equals(own.ip)) return { own, gateway };
  const given = ip.gateway ? `the gateway ${ip.gateway}` : "no gateway";
  throw CniError.invalidConfig(
    `cannot route ${ip.address}: the IPAM plugin gave ${given}, but it takes another address of ` +
      'the same family; set "gateway" in "ipam"',
  );
}

/** `ip route add GATEWAY dev eth0 scope link src OWN` */
export function addGatewayRoute(inside: Rtnl, device: Link, { own, gateway }: Routed): void {
  inside.route.add({ to: Cidr.host(gateway), device, source: own.ip, scope: RT_SCOPE_LINK });
}

/** Routes the subnet through the gateway, in place of the route that the kernel made of the address. */
export function routeSubnet(inside: Rtnl, device: Link, { own, gateway }: Routed): void {
  if (Cidr.host(own.ip).prefix === own.prefix) return;
  const to = own.network();
  const source = own.ip;
  // Of IPv4 a route of IPAM's to the subnet is told by these; of IPv6 its metric puts it behind.
  const own4 = own.ip.family === 4 ? { source, scope: RT_SCOPE_LINK } : {};
  inside.route.removeIfPresent({ to, device, ...own4 });
  inside.route.add({ to, device, source, via: gateway });
}

/**
 * `ip address add GATEWAY/32 dev HOSTVETH`, `ip route replace OWN/32 dev HOSTVETH scope host`.
 * @param undo restores a route that was replaced
 */
export function addHostEnd(
  host: Rtnl,
  device: Link,
  { own, gateway }: Routed,
  undo: Undo,
): void {
  host.address.add(device, Cidr.host(gateway), { noDad: true });
  const route = { to: Cidr.host(own.ip), device, scope: RT_SCOPE_HOST };
  try {
    host.route.add(route);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
    // A route that an earlier container left must not prevent this one.
    replaceRoute(host, route, undo);
  }
}

function replaceRoute(host: Rtnl, route: NewRoute, undo: Undo): void {
  const { to } = route;
  const present = host.route.list({ family: to.ip.family, table: RT_TABLE_MAIN })
    .find((other) => other.to.equals(to));
  undo.step(
    `the route to ${to}`,
    () => host.route.replace(route),
    () => {
      using host = Rtnl.open();
      const device = present?.device === undefined ? undefined : host.link.find(present.device);
      if (present && device) host.route.replace(onDevice(present, device));
    },
  );
}

/** Expects the gateways' addresses on the host's end of the pair, and routes to the container's. */
export function expectHostEnd(
  { host, sandbox }: Namespaces,
  near: Link,
  routed: readonly Routed[],
): void {
  const far = findHostEnd(host, sandbox, near);
  if (!far) {
    throw CniError.internal(`the other end of ${near.name} is not on the host`);
  }
  expectUp(far);
  const gateways = routed.map(({ gateway }) => ({ address: String(Cidr.host(gateway)) }));
  expectAddresses(host, far, gateways);
  const present = host.route.list({ table: RT_TABLE_MAIN, device: far });
  const lost = routed.find(({ own }) => !present.some(({ to }) => to.equals(Cidr.host(own.ip))));
  if (!lost) return;
  throw CniError.internal(`the host has no route to ${lost.own.ip} through ${far.name}`);
}
