/**
 * Applies an IPAM result to an interface: its addresses, then the interface up, then its routes.
 *
 * @module
 */
import { readSysctl, trySysctl, writeSysctl } from "../ns/sysctl.ts";
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { NetlinkError } from "../nl/error.ts";
import type { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";
import type { NewRoute } from "../rtnl/route.ts";
import type { Rtnl } from "../rtnl/rtnl.ts";
import { CniError } from "../types/error.ts";
import type { IpConfig, Result, ResultRoute } from "../types/result.ts";
import { awaitUnique } from "./unique_addresses.ts";

/** The interface that a result is applied to. */
export interface Target {
  /** The container's namespace. */
  netns: NetNs;
  /** A socket in it. */
  inside: Rtnl;
  /** The interface's name there. */
  ifName: string;
  /**
   * IPv6: use addresses at once. Right where IPAM alone gives out the addresses of the link;
   * looking for duplicates would take more than a second.
   */
  noDad: boolean;
  /** IPv4: have the kernel announce addresses when the interface comes up. */
  arpNotify?: boolean;
  /** Hardware address to set. */
  mac?: string;
  /** Hardware address to set, unless another interface on the same parent has it. */
  preferredMac?: string;
  /** The interface, where the caller has just read it. */
  link?: Link;
}

/**
 * Applies the addresses and routes of a result to an interface, and sets it up. The caller
 * removes the interface when this throws.
 * @param result every address must be for this interface
 * @returns the interface with the address that it has now; its state is that of before
 * @throws {CniError} naming the address or route, and the kernel's reason
 */
export async function configureInterface(target: Target, result: Result): Promise<Link> {
  const { inside, netns, ifName, noDad, mac, preferredMac } = target;
  const link = target.link ?? await inside.link.getMeanwhile(ifName);
  const ips = result.ips ?? [];
  const addresses = ips.map(addressOf);
  requireMtu(link, addresses);
  const six = addresses.filter(({ ip }) => ip.family === 6);
  if (six.length > 0) netns.run(() => enableIpv6(ifName));
  if (preferredMac) await preferMac(inside, link, preferredMac);
  await setUp(target, link, addresses);
  if (!noDad && six.length > 0) await awaitUnique(inside, link, six);
  addRoutes(inside, link, result);
  return preferredMac
    ? await inside.link.getMeanwhile(link)
    : { ...link, address: mac ?? link.address };
}

/** Sets a preferred hardware address; where it is taken, the present one stays. */
async function preferMac({ link: links }: Rtnl, link: Link, mac: string): Promise<void> {
  try {
    await links.setMeanwhile(link, { address: mac });
  } catch (error) {
    if (!isAddressInUse(error)) throw error;
  }
}

/**
 * Adds addresses and sets an interface up: some kernels report only then that its hardware address is
 * taken.
 */
async function setUp(
  { inside, noDad, arpNotify, mac, preferredMac }: Target,
  link: Link,
  addresses: readonly Cidr[],
): Promise<void> {
  try {
    await inside.addAndSetUpMeanwhile(link, addresses, { noDad, mac, arpNotify });
  } catch (error) {
    if (!preferredMac || !isAddressInUse(error)) throw error;
    await inside.link.setMeanwhile(link, { address: link.address, up: true });
  }
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === "EADDRINUSE";
}

/**
 * Adds the routes of a result, for an interface that is up and has its addresses.
 * @throws {CniError} naming the route, and the kernel's reason
 */
export function addRoutes(inside: Rtnl, link: Link, { routes = [], ips = [] }: Result): void {
  const done = new Set<string>();
  for (const route of resolveRoutes(routes, ips, link)) {
    // The kernel would refuse the same route twice.
    const key = [route.to, route.via, route.table, route.priority].join(" ");
    if (done.has(key)) continue;
    done.add(key);
    inside.route.prepend(route);
  }
}

/** Reads the address of an IP entry. @throws {CniError} code 7 naming it */
export function addressOf({ address }: IpConfig): Cidr {
  const cidr = Cidr.tryParse(address);
  if (cidr) return cidr;
  throw CniError.invalidConfig(
    `IPAM returned the address ${JSON.stringify(address)}, which is no address with a prefix ` +
      "length such as 10.1.0.2/16",
  );
}

/**
 * Completes the routes of a result for the kernel. A route without a gateway gets the first gateway
 * of its family that IPAM gave; `"gw": "0.0.0.0"` or `"::"` says there is none.
 */
export function resolveRoutes(
  routes: readonly ResultRoute[],
  ips: readonly IpConfig[],
  device: Link,
): NewRoute[] {
  const gateways = ips.filter(({ gateway }) => gateway)
    .map(({ gateway }) => ipOf(gateway!, "gateway"));
  return routes.map(({ dst, gw, mtu, advmss, priority, table, scope }) => {
    const to = Cidr.tryParse(dst);
    if (!to) {
      throw CniError.invalidConfig(`route destination ${JSON.stringify(dst)} is no network`);
    }
    const via = gw
      ? ipOf(gw, "route gateway")
      : gateways.find(({ family }) => family === to.ip.family);
    return {
      to: to.network(),
      device,
      via: via?.isUnspecified() ? undefined : via,
      scope,
      table,
      priority,
      mtu: mtu || undefined,
      advmss: advmss || undefined,
    };
  });
}

function ipOf(text: string, what: string): IpAddress {
  const ip = IpAddress.tryParse(text);
  if (ip) return ip;
  throw CniError.invalidConfig(`${what} ${JSON.stringify(text)} is no IP address`);
}

/** Expects the smallest MTU with which the kernel has IPv6 on a link. RFC 8200, section 5. */
function requireMtu({ name, mtu }: Link, addresses: readonly Cidr[]): void {
  const six = addresses.find(({ ip }) => ip.family === 6);
  if (!six || mtu >= 1280) return;
  throw CniError.invalidConfig(
    `${name} has an MTU of ${mtu}, but IPv6 needs 1280 at least, and IPAM gave the address ${six}; ` +
      'raise "mtu", or give IPv4 addresses only',
  );
}

/** Enables IPv6, which may be disabled for the namespace or the interface, for an IPv6 address. */
function enableIpv6(ifName: string): void {
  for (const name of ["lo", ifName]) {
    const key = `net/ipv6/conf/${name}/disable_ipv6`;
    if (readSysctl(key) !== "0") writeSysctl(key, "0");
  }
  // Addresses must not be lost when the interface goes down for a moment.
  trySysctl(`net/ipv6/conf/${ifName}/keep_addr_on_down`, "1");
}
