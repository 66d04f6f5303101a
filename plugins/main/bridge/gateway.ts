/**
 * The bridge as the containers' gateway: chooses the address, and adds it to the bridge, or to an
 * interface of its own where the containers are in a VLAN of the bridge.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { macForAddresses } from "../../../lib/ip/mac.ts";
import { addressOf } from "../../../lib/ipam/configure.ts";
import { RT_SCOPE_LINK, RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import type { Link, NamedLink } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { awaitGroups, groupsIn } from "./await_groups.ts";
import { addVethPair } from "../../../lib/rtnl/veth.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig, ResultRoute } from "../../../lib/types/result.ts";
import { hasOwnMac, isUsedByOthers, prepareHostInterface } from "./bridge.ts";
import { gatewayName, isGateway, type Options } from "./config.ts";
import { setPortVlans } from "./port_vlans.ts";

/** Completes the addresses of a result with gateways, where the bridge is one. */
export function withGateways(ips: readonly IpConfig[], options: Options): IpConfig[] {
  if (!isGateway(options)) return [...ips];
  return ips.map((ip) => ({ ...ip, gateway: ip.gateway || String(firstHost(ip)) }));
}

/** Completes the routes of a result with a default route for each family that has none. */
export function withDefaultRoutes(
  routes: readonly ResultRoute[],
  ips: readonly IpConfig[],
  { isDefaultGateway }: Options,
): ResultRoute[] {
  if (!isDefaultGateway) return [...routes];
  const defaults = new Map<number, ResultRoute>();
  for (const ip of ips) {
    const { family } = addressOf(ip).ip;
    const to = Cidr.default(family);
    const given = routes.some((route) =>
      // A route without a gateway gets that of its family, and would be there twice.
      Cidr.tryParse(route.dst)?.equals(to) && (route.gw || isPlain(route))
    );
    if (!given && !defaults.has(family)) defaults.set(family, { dst: String(to), gw: ip.gateway });
  }
  return [...routes, ...defaults.values()];
}

/** Whether a route is in the main table, without a priority. */
function isPlain({ table = RT_TABLE_MAIN, priority }: ResultRoute): boolean {
  return (table === RT_TABLE_MAIN || table === 0) && !priority;
}

/** Lists the gateways' addresses for the bridge, with their network's prefix length. */
export function gatewayAddresses(ips: readonly IpConfig[]): Cidr[] {
  return ips.map((entry) => {
    const gateway = gatewayOf(entry);
    if (gateway) return gateway;
    throw CniError.invalidConfig(
      `the gateway of ${entry.address} is ${JSON.stringify(entry.gateway)}, but must be another ` +
        'address of the same family; set "gateway" in "ipam"',
    );
  });
}

/** An entry's gateway with the entry's prefix length; undefined without a usable one. */
function gatewayOf(entry: IpConfig): Cidr | undefined {
  const own = addressOf(entry);
  const gateway = IpAddress.tryParse(entry.gateway ?? "");
  if (gateway?.family !== own.ip.family || gateway.equals(own.ip)) return undefined;
  return new Cidr(gateway, own.prefix);
}

/** The first host address of the network, the conventional gateway. */
function firstHost(entry: IpConfig): IpAddress {
  const own = addressOf(entry);
  if (own.prefix < own.ip.bits) return own.first().add(1);
  throw CniError.invalidConfig(
    `"isGateway" needs a gateway for ${entry.address}, a network of a single address; ` +
      'set "gateway" in "ipam"',
  );
}

/** The MAC address of a bridge that has neither ports nor one of its own. */
const NO_MAC = "00:00:00:00:00:00";

/** The bridge and port that gateway addresses are added for. */
export interface GatewayTarget {
  host: Rtnl;
  hostNs: NetNs;
  bridge: Link;
  /** The container's port. */
  port: NamedLink;
  options: Options;
  undo: Undo;
}

/**
 * Adds the gateway's addresses to the bridge, or to `BRIDGE.VLAN`. A new bridge gets the MAC
 * address that belongs to them; another one keeps its own, from now on independent of its ports.
 * @returns the name of `BRIDGE.VLAN`; undefined for the bridge itself
 * @throws {CniError} code 7 when another address conflicts
 */
export async function addGateways(
  target: GatewayTarget,
  gateways: readonly Cidr[],
): Promise<string | undefined> {
  const { bridge, hostNs, options } = target;
  const isBridge = options.vlan === 0;
  const device = isBridge ? bridge : await ensureVlanInterface(target, gateways);
  if (addAddresses(target, device, gateways)) {
    await awaitGroups(device.name, gateways.map(({ ip }) => ip), () => groupsIn(hostNs));
  }
  return isBridge ? undefined : device.name;
}

/**
 * Expects the gateways' addresses on the bridge, or on `BRIDGE.VLAN`. A later plugin may have
 * added addresses with gateways elsewhere: in each family one gateway has to be present.
 * @throws {CniError} code 999 when there is none
 */
export function expectGateways(
  host: Rtnl,
  bridge: Link,
  ips: readonly IpConfig[],
  options: Options,
): void {
  const device = host.link.get(gatewayDevice(bridge, options));
  const { present, lost: [lost] } = lostGateways(host, device, ips);
  if (!lost) return;
  throw CniError.internal(
    `${device.name} has lost the gateway's address ${lost}: it has ${present.join(", ") || "none"}`,
  );
}

/** Names the interface that has the gateway's addresses. */
export function gatewayDevice(bridge: Link, options: Options): string {
  return options.vlan === 0 ? bridge.name : gatewayName(bridge, options);
}

/** Lists the gateways' addresses of families of which the device has none. */
export function lostGateways(
  host: Rtnl,
  device: Link,
  ips: readonly IpConfig[],
): Record<"present" | "lost", Cidr[]> {
  const present = host.address.list({ device }).map(({ address }) => address);
  const gateways = ips.flatMap((ip) => gatewayOf(ip) ?? []);
  const isPresent = (gateway: Cidr) => present.some((address) => address.equals(gateway));
  const lost = gateways.filter(({ ip: { family } }) =>
    !gateways.some((gateway) => gateway.ip.family === family && isPresent(gateway))
  );
  return { present, lost };
}

/** Adds the addresses that a device lacks. Returns whether there were any. */
function addAddresses(target: GatewayTarget, device: Link, gateways: readonly Cidr[]): boolean {
  const { host, options, undo } = target;
  const wanted = gateways.filter((gateway) => !host.address.has(device, gateway));
  if (wanted.length === 0) return false;

  const global = host.address.list({ device }).filter(({ scope }) => scope !== RT_SCOPE_LINK);
  const present = global.map(({ address }) => address);
  const conflicting = present.filter((address) =>
    !gateways.some((gateway) => gateway.equals(address)) &&
    wanted.some((gateway) => conflicts(address, gateway))
  );
  if (conflicting.length > 0 && !options.forceAddress) {
    throw CniError.invalidConfig(
      `"${device.name}" already has an IP address different from ${wanted.join(", ")}: ` +
        `${conflicting.join(", ")}; set "forceAddress" to replace it, or use another "bridge"`,
    );
  }
  const noDad = !options.enabledad;
  if (conflicting.length > 0) {
    undo.step(
      `the removal of ${conflicting.join(", ")} from ${device.name}`,
      () => conflicting.forEach((address) => host.address.removeIfPresent(device, address)),
      // In order: the first address of a subnet is the source address of packets.
      () =>
        onPresent(
          device,
          (host) => conflicting.forEach((each) => addIfAbsent(host, device, each, noDad)),
        ),
      { ambiguous: true },
    );
  }
  const isFirst = present.length === conflicting.length;
  // Read again: another attachment may have set its MAC address since.
  const now = host.link.get(device);
  const address = addressFor(target, now, isFirst ? gateways : []);
  undo.step(
    `the MAC address of ${device.name}`,
    () => host.link.set(device, { address }),
    () => unlessShared(target, device, ({ link }) => link.set(device, { address: now.address })),
  );
  for (const address of wanted) {
    undo.step(
      `${address} on ${device.name}`,
      () => addIfAbsent(host, device, address, noDad),
      (isOurs) => {
        if (!isOurs) return;
        unlessShared(target, device, (host) => host.address.removeIfPresent(device, address));
      },
    );
  }
  return true;
}

/**
 * Chooses the MAC address of a device. It is set even where the device has it already: a bridge
 * without one of its own follows the lowest of its ports.
 * @param gateways its first addresses; none where it has some, and neighbours have cached its MAC
 */
function addressFor(
  { host, bridge, port }: GatewayTarget,
  { index, address }: Link,
  gateways: readonly Cidr[],
): string {
  if (index !== bridge.index) return address;
  if (gateways.length > 0 && hasOwnMac(host, bridge)) {
    return macForAddresses(gateways.map(({ ip }) => ip));
  }
  // An existing bridge may have taken the new port's address, or had none without ports.
  const isPorts = address === host.link.get(port).address;
  return isPorts && bridge.address !== NO_MAC ? bridge.address : address;
}

/** Adds an address. @returns false when another attachment has added it first */
function addIfAbsent(host: Rtnl, device: Link, address: Cidr, noDad: boolean): boolean {
  try {
    host.address.add(device, address, { noDad });
    return true;
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
    return false;
  }
}

/** Whether an address is in a gateway's way. IPv4 has one gateway on a bridge; IPv6 may have several, in networks apart from each other. */
export function conflicts(present: Cidr, gateway: Cidr): boolean {
  if (present.ip.family !== gateway.ip.family) return false;
  return gateway.ip.family === 4 || present.overlaps(gateway);
}

/** Undoes a step on the host, where the device still exists. */
function onPresent(device: Link, work: (host: Rtnl) => void): void {
  using host = Rtnl.open();
  if (host.link.find(device.index)) work(host);
}

/** As {@link onPresent}, where no other attachment uses the bridge. */
function unlessShared(
  { bridge, port }: GatewayTarget,
  device: Link,
  work: (host: Rtnl) => void,
): void {
  onPresent(device, (host) => {
    // The other end of `BRIDGE.VLAN` is a port of the bridge.
    if (!isUsedByOthers(host, bridge, [port.index, device.parent])) work(host);
  });
}

/**
 * Finds or makes `BRIDGE.VLAN`: one end of a pair whose other end is a port of the bridge in that
 * VLAN.
 */
async function ensureVlanInterface(
  target: GatewayTarget,
  gateways: readonly Cidr[],
): Promise<Link> {
  const { host, hostNs, bridge, port, options, undo } = target;
  const name = gatewayName(bridge, options);
  const present = host.link.find(name);
  if (present) return present;
  const wanted = {
    inside: host,
    host,
    hostNs,
    name,
    mtu: bridge.mtu,
    address: macForAddresses(gateways.map(({ ip }) => ip)),
    master: bridge,
  };
  const { near, far } = await undo.step(
    `interface ${name}`,
    () => addVethPair(wanted),
    ({ far }) => {
      using host = Rtnl.open();
      if (!isUsedByOthers(host, bridge, [port.index, far.index])) host.link.removeIfPresent(name);
    },
  );
  setPortVlans(host, bridge, far, { ...options, trunk: [] });
  prepareHostInterface(name, options);
  host.link.set(near, { up: true });
  return near;
}
