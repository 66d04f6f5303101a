/**
 * ADD, as all plugins do it that bring one interface into a container: the interface under its
 * final name, its addresses, the neighbours told, the result.
 *
 * @module
 */
import { trySysctl } from "../ns/sysctl.ts";
import { macForAddresses } from "../ip/mac.ts";
import { addressOf, configureInterface } from "../ipam/configure.ts";
import { hasIpam, type IpamResult } from "../ipam/delegate.ts";
import { chooseDns } from "../ipam/dns.ts";
import type { Link } from "../rtnl/link.ts";
import { nameTaken } from "../rtnl/veth.ts";
import type { AddCall } from "../skel/plugin.ts";
import type { Result } from "../types/result.ts";
import { announce } from "./announce.ts";
import { Namespaces } from "./namespaces.ts";
import { reserve } from "./reserve.ts";

/** The parts of an ADD that differ between plugins. */
export interface AttachParts {
  /**
   * Brings the interface into the container, under the name it is to have and down, as a step that
   * a failing ADD takes back.
   */
  create(namespaces: Namespaces): void | Promise<void>;
  /** Addresses that somebody else reserved already; IPAM's, where the configuration names one. */
  reserved?: IpamResult;
  /** Gives the interface the MAC address that belongs to its IP addresses. */
  macFromAddress?: boolean;
  /** Uses IPv6 addresses at once: nobody else is on the link who could have them. */
  noDad?: boolean;
  /** Turns an error of the kernel into one that names the conflicting interface. */
  explain?(error: unknown, namespaces: Namespaces): unknown;
}

/**
 * Attaches a container with one interface. Without IPAM the interface is only set up.
 * @throws {CniError} code 4 when the interface's name is taken, 8 for a wrong namespace
 */
export async function attach(call: AddCall<unknown>, parts: AttachParts): Promise<Result> {
  const { ifName, netns, config } = call;
  using namespaces = Namespaces.open(netns);
  const { inside } = namespaces;
  const present = await inside.link.findMeanwhile(ifName);
  if (present) throw nameTaken(present);
  try {
    await parts.create(namespaces);
    const reserved = parts.reserved ?? (hasIpam(call) ? await reserve(call) : undefined);
    if (!reserved) await inside.link.setMeanwhile(ifName, { up: true });
    const { address } = reserved
      ? await configure(namespaces, ifName, parts, reserved)
      : await inside.link.getMeanwhile(ifName);
    return {
      interfaces: [{ name: ifName, mac: address || undefined, sandbox: netns }],
      ips: reserved?.ips.map((ip) => ({ ...ip, interface: 0 })),
      routes: reserved?.routes,
      dns: chooseDns(config.dns, reserved?.dns),
    };
  } catch (error) {
    throw parts.explain?.(error, namespaces) ?? error;
  }
}

async function configure(
  { inside, sandbox }: Namespaces,
  ifName: string,
  { macFromAddress, noDad = false }: AttachParts,
  { ips, routes }: IpamResult,
): Promise<Link> {
  const addresses = ips.map((entry) => addressOf(entry).ip);
  const present = await inside.link.getMeanwhile(ifName);
  const { up: wasUp, kind } = present;
  const target = { inside, netns: sandbox, ifName, noDad, arpNotify: true, link: present };
  // An interface that is up by now was used to get the address, which may belong to its MAC address.
  const preferredMac = macFromAddress && !wasUp ? macForAddresses(addresses) : undefined;
  // The kernel announces what it can: closing a packet socket of ours waits for an RCU grace period.
  const advertises = sandbox.run(() => trySysctl(`net/ipv6/conf/${ifName}/ndisc_notify`, "1"));
  const link = await configureInterface({ ...target, preferredMac }, { ips, routes });
  // Hardware may find its carrier only after the kernel has announced what it has.
  const isSilent = (family: 4 | 6) => wasUp || kind === "" || family === 6 && !advertises;
  announce(sandbox, link, addresses.filter(({ family }) => isSilent(family)));
  return link;
}
