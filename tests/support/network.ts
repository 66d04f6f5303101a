/**
 * A host's network for the tests of link plugins: an uplink, and what IPAM has given out.
 *
 * @module
 */
import type { NetNs } from "../../lib/ns/netns.ts";
import type { Sandbox } from "./sandbox.ts";

/** `up0`, an interface to hang containers on, and `up1`, what is at the other end of its cable. */
export function addUplink(sandbox: Sandbox, netns?: NetNs): void {
  sandbox.run("ip", ["link", "add", "up0", "type", "veth", "peer", "name", "up1"], { netns });
  for (const name of ["up0", "up1"]) sandbox.run("ip", ["link", "set", name, "up"], { netns });
}

/** The addresses that host-local has given out. */
export function reservations(network: string): string[] {
  try {
    return Array.from(Deno.readDirSync(`/var/lib/cni/networks/${network}`), ({ name }) => name)
      .filter((name) => /^[0-9a-f.:]+$/.test(name)).sort();
  } catch {
    return [];
  }
}

/** host-local with one IPv4 and one IPv6 range, default routes and DNS. */
export const hostLocal = {
  type: "host-local",
  ranges: [[{ subnet: "10.7.0.0/24" }], [{ subnet: "fd00:7::/64" }]],
  routes: [{ dst: "0.0.0.0/0" }],
};

/** static with one IPv4 address of the same network. */
export function staticAddress(address: string): Record<string, unknown> {
  return { type: "static", addresses: [{ address }] };
}

/** The addresses of an interface that are not link-local, with prefix lengths. */
export function addressesOf(sandbox: Sandbox, device: string, netns?: NetNs): string[] {
  return sandbox.ip(`address show dev ${device}`, netns)[0].addr_info
    .filter(({ scope }: { scope: string }) => scope === "global")
    .map((info: { local: string; prefixlen: number }) => `${info.local}/${info.prefixlen}`);
}

/** A table's default routes, a line for each next hop: `10.1.0.1 dev eth1`. */
export function defaultRoutes(sandbox: Sandbox, netns: NetNs, table: string | number): string[] {
  interface Hop {
    gateway: string;
    dev: string;
  }
  return ["-4", "-6"].flatMap((family) => {
    const args = ["-j", family, "route", "show", "table", `${table}`, "default"];
    const { code, stdout } = sandbox.try("ip", args, { netns });
    // A table that never had a route does not exist.
    return code === 0 && stdout.trim() !== "" ? JSON.parse(stdout) : [];
  }).flatMap((route) => route.nexthops ?? (route.dst ? [route] : []))
    .map(({ gateway, dev }: Hop) => `${gateway} dev ${dev}`).sort();
}
