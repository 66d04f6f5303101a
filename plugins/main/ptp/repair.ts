/**
 * Puts right the host's end of the pair: the gateways' addresses, and the routes to the container's.
 *
 * @module
 */
import { Namespaces } from "../../../lib/attach/namespaces.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { RT_SCOPE_HOST, RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import type { Repair } from "../../../lib/skel/repair.ts";
import type { Options } from "./config.ts";
import { requireGateway } from "./routed.ts";

/** Finds the repairs of an attachment. */
export function repairs({ netns, ifName, prevResult }: AttachmentCall<Options>): Repair[] {
  using namespaces = Namespaces.open(netns);
  const { host, inside, sandbox } = namespaces;
  const near = inside.link.find(ifName);
  const device = near && findHostEnd(host, sandbox, near);
  if (!device) return [];
  const { interfaces = [], ips = [] } = prevResult ?? {};
  const index = interfaces.findIndex(({ name, sandbox }) => sandbox && name === ifName);
  const routed = ips.filter((ip) => ip.interface === index).map(requireGateway);
  const addresses = host.address.list({ device }).map(({ address }) => address);
  const routes = host.route.list({ table: RT_TABLE_MAIN, device });
  const lostAddresses = routed.map(({ gateway }) => Cidr.host(gateway)).filter((gateway) =>
    !addresses.some((address) => address.equals(gateway))
  );
  const lostRoutes = routed.map(({ own }) => Cidr.host(own.ip)).filter((to) =>
    !routes.some((route) => route.to.equals(to))
  );
  return [
    ...lostAddresses.map((gateway) => ({
      what: `add ${gateway} to ${device.name}`,
      apply: () => onHost((host) => host.address.add(device, gateway, { noDad: true })),
    })),
    ...lostRoutes.map((to) => ({
      what: `add the host's route to ${to} by ${device.name}`,
      apply: () => onHost((host) => host.route.add({ to, device, scope: RT_SCOPE_HOST })),
    })),
  ];
}

function onHost(work: (host: Rtnl) => void): void {
  using host = Rtnl.open();
  work(host);
}
