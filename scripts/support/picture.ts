/**
 * Draws a network as a tree: bridges, the veth pairs attached to them, and the containers at their
 * other ends, with addresses and routes. Read from the kernel.
 *
 * @module
 */
import { IFF_LOOPBACK } from "../../lib/netlink/link.ts";
import { RT_TABLE_MAIN } from "../../lib/netlink/route.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import type { Link } from "../../lib/rtnl/link.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { bold, cyan, dim } from "./style.ts";

/** A container to draw. */
export interface Container {
  name: string;
  netns: NetNs;
}

/** An interface in a container, and its state. */
interface Inside {
  container: string;
  link: Link;
  addresses: string[];
  routes: string[];
}

/** Draws the bridges of this namespace and the containers behind them. */
export function picture(containers: readonly Container[]): string {
  using host = Rtnl.open();
  const insides = containers.flatMap(lookInside);
  const lines = [bold("host")];
  const bridges = host.link.list({ kind: "bridge" });
  for (const bridge of bridges) {
    lines.push(`└─ ${cyan(bridge.name)}  bridge  ${describe(host, bridge)}`);
    const ports = host.link.list({ master: bridge.index });
    ports.forEach((port, i) => {
      const last = i === ports.length - 1;
      const inside = insides.find(({ link }) =>
        link.parent === port.index && port.parent === link.index
      );
      lines.push(`   ${last ? "└─" : "├─"} ${port.name}  ${dim(port.address)}`);
      const rail = `   ${last ? "  " : "│ "} `;
      if (!inside) return;
      const { container, link, addresses, routes } = inside;
      lines.push(
        `${rail}   ╰── ${cyan(link.name)} in ${bold(container)}  ${
          dim(link.address)
        }  mtu ${link.mtu}`,
      );
      for (const address of addresses) lines.push(`${rail}         ${address}`);
      for (const route of routes) lines.push(`${rail}         ${dim(route)}`);
    });
  }
  return lines.join("\n");
}

function describe(rtnl: Rtnl, link: Link): string {
  const addresses = globalAddresses(rtnl, link);
  return `${dim(link.address)}  ${addresses.join("  ")}  ${link.up ? "up" : "down"}`;
}

function globalAddresses(rtnl: Rtnl, link: Link): string[] {
  return rtnl.address.list({ device: link }).map(({ address }) => address)
    .filter(({ ip }) => !ip.isLinkLocal()).map(String);
}

function lookInside({ name, netns }: Container): Inside[] {
  using rtnl = Rtnl.open(netns);
  return rtnl.link.list().filter(({ flags }) => !(flags & IFF_LOOPBACK)).map((link) => ({
    container: name,
    link,
    addresses: globalAddresses(rtnl, link),
    routes: rtnl.route.list({ table: RT_TABLE_MAIN, device: link })
      .filter(({ to }) => !to.ip.isLinkLocal() && !to.ip.isMulticast())
      .map(({ to, via }) =>
        `route ${to.prefix === 0 ? `default (${to})` : to}${via ? ` via ${via}` : ""}`
      ),
  }));
}
