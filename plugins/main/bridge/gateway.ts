/**
 * The bridge as the containers' gateway: which address that is, and putting it on the bridge, or on
 * an interface of its own where the containers are in a VLAN of the bridge.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { macForAddresses } from "../../../lib/ip/mac.ts";
import { addressOf } from "../../../lib/ipam/configure.ts";
import { RT_SCOPE_LINK, RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import type { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { addVethPair } from "../../../lib/rtnl/veth.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig, Route } from "../../../lib/types/result.ts";
import { hasOwnMac, isUsedByOthers, prepareHostInterface } from "./bridge.ts";
import { gatewayName, isGateway, type Options } from "./config.ts";
import { setPortVlans } from "./port_vlans.ts";

/** The addresses of a result, each with a gateway where the bridge is to be one. */
export function withGateways(ips: readonly IpConfig[], options: Options): IpConfig[] {
  if (!isGateway(options)) return [...ips];
  return ips.map((ip) => ({ ...ip, gateway: ip.gateway || String(firstHost(ip)) }));
}

/** The routes of a result, with a default route for each family that has none yet. */
export function withDefaultRoutes(
  routes: readonly Route[],
  ips: readonly IpConfig[],
  { isDefaultGateway }: Options,
): Route[] {
  if (!isDefaultGateway) return [...routes];
  const defaults = new Map<number, Route>();
  for (const ip of ips) {
    const { family } = addressOf(ip).ip;
    const to = Cidr.default(family);
    const given = routes.some((route) =>
      // One without a gateway is going to get that of its family, and would be there twice.
      Cidr.tryParse(route.dst)?.equals(to) && (route.gw || isPlain(route))
    );
    if (!given && !defaults.has(family)) defaults.set(family, { dst: String(to), gw: ip.gateway });
  }
  return [...routes, ...defaults.values()];
}

/** Whether a route is in the main table, and nothing is said of how it ranks there. */
function isPlain({ table = RT_TABLE_MAIN, priority }: Route): boolean {
  return (table === RT_TABLE_MAIN || table === 0) && !priority;
}

/** The gateways' addresses as the bridge is to have them: with their network's prefix length. */
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

/** An entry's gateway with the entry's prefix length; undefined for none, or one of no use. */
function gatewayOf(entry: IpConfig): Cidr | undefined {
  const own = addressOf(entry);
  const gateway = IpAddress.tryParse(entry.gateway ?? "");
  if (gateway?.family !== own.ip.family || gateway.equals(own.ip)) return undefined;
  return new Cidr(gateway, own.prefix);
}

/** The first address behind the network's own, which is the gateway's by custom. */
function firstHost(entry: IpConfig): IpAddress {
  const own = addressOf(entry);
  if (own.prefix < own.ip.bits) return own.first().add(1);
  throw CniError.invalidConfig(
    `"isGateway" needs a gateway for ${entry.address}, a network of a single address; ` +
      'set "gateway" in "ipam"',
  );
}

/** What a bridge without ports has, unless it was given a MAC address. */
const NO_MAC = "00:00:00:00:00:00";

/** Where to put the gateway's addresses. */
export interface GatewayPlace {
  host: Rtnl;
  hostNs: NetNs;
  bridge: Link;
  /** The container's port. */
  port: Link;
  options: Options;
  undo: Undo;
}

/**
 * Puts the gateway's addresses on the bridge, or on `BRIDGE.VLAN`. A bridge that is new gets the MAC
 * address that belongs to them; another one keeps its own, and from now on whatever its ports are.
 * @returns the name of `BRIDGE.VLAN`; undefined for the bridge itself
 * @throws {CniError} code 7 when another address is in the way
 */
export function addGateways(place: GatewayPlace, gateways: readonly Cidr[]): string | undefined {
  const { host, bridge, options } = place;
  if (options.vlan === 0) {
    addAddresses(place, host.link.get(bridge), gateways);
    return undefined;
  }
  const device = ensureVlanInterface(place, gateways);
  addAddresses(place, device, gateways);
  return device.name;
}

/**
 * Expects the gateways' addresses on the bridge, or on `BRIDGE.VLAN`. A plugin that came behind may
 * have given the interface addresses whose gateways are elsewhere: in each family one of them has to
 * be here.
 * @throws {CniError} code 999 when there is none
 */
export function expectGateways(
  host: Rtnl,
  bridge: Link,
  ips: readonly IpConfig[],
  options: Options,
): void {
  const name = options.vlan === 0 ? bridge.name : gatewayName(bridge, options);
  const device = host.link.get(name);
  const present = host.address.list({ device }).map(({ address }) => address);
  const gateways = ips.flatMap((ip) => gatewayOf(ip) ?? []);
  const isPresent = (gateway: Cidr) => present.some((address) => address.equals(gateway));
  const lacking = gateways.find(({ ip: { family } }) =>
    !gateways.some((gateway) => gateway.ip.family === family && isPresent(gateway))
  );
  if (!lacking) return;
  throw CniError.internal(
    `${name} has lost the gateway's address ${lacking}: it has ${present.join(", ") || "none"}`,
  );
}

function addAddresses(place: GatewayPlace, device: Link, gateways: readonly Cidr[]): void {
  const { host, options, undo } = place;
  const global = host.address.list({ device }).filter(({ scope }) => scope !== RT_SCOPE_LINK);
  const present = global.map(({ address }) => address);
  const wanted = gateways.filter((gateway) => !present.some((address) => address.equals(gateway)));
  if (wanted.length === 0) return;

  const inTheWay = present.filter((address) =>
    !gateways.some((gateway) => gateway.equals(address)) &&
    wanted.some((gateway) => conflicts(address, gateway))
  );
  if (inTheWay.length > 0 && !options.forceAddress) {
    throw CniError.invalidConfig(
      `"${device.name}" already has an IP address different from ${wanted.join(", ")}: ` +
        `${inTheWay.join(", ")}; set "forceAddress" to replace it, or use another "bridge"`,
    );
  }
  const noDad = !options.enabledad;
  if (inTheWay.length > 0) {
    undo.step(
      `the removal of ${inTheWay.join(", ")} from ${device.name}`,
      () => inTheWay.forEach((address) => host.address.removeIfPresent(device, address)),
      // In their order: the first of a subnet is the one that packets are sent from.
      () =>
        onPresent(
          device,
          (host) => inTheWay.forEach((each) => addIfAbsent(host, device, each, noDad)),
        ),
      { ambiguous: true },
    );
  }
  const isFirst = present.length === inTheWay.length;
  const address = addressFor(place, device, isFirst ? gateways : []);
  undo.step(
    `the MAC address of ${device.name}`,
    () => host.link.set(device, { address }),
    () => unlessShared(place, device, ({ link }) => link.set(device, { address: device.address })),
  );
  for (const address of wanted) {
    undo.step(
      `${address} on ${device.name}`,
      () => addIfAbsent(host, device, address, noDad),
      (isOurs) => {
        if (!isOurs) return;
        unlessShared(place, device, (host) => host.address.removeIfPresent(device, address));
      },
    );
  }
}

/**
 * The MAC address that a device is to keep, which is set, be it what it has: a bridge would otherwise
 * take the lowest of its ports' from now on.
 * @param gateways the first addresses it gets; none where it has some, and neighbours that know it
 */
function addressFor(
  { host, bridge, port }: GatewayPlace,
  device: Link,
  gateways: readonly Cidr[],
): string {
  // Read anew: another attachment may have set it since.
  const { index, address } = host.link.get(device);
  if (index !== bridge.index) return address;
  if (gateways.length > 0 && hasOwnMac(host, bridge)) {
    return macForAddresses(gateways.map(({ ip }) => ip));
  }
  // Somebody else's bridge has taken the new port's, and had none where it had no port.
  return address === port.address && bridge.address !== NO_MAC ? bridge.address : address;
}

/** @returns false when another attachment came first */
function addIfAbsent(host: Rtnl, device: Link, address: Cidr, noDad: boolean): boolean {
  try {
    host.address.add(device, address, { noDad });
    return true;
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
    return false;
  }
}

/** IPv4 has one gateway on a bridge; IPv6 may have several, in networks apart from each other. */
function conflicts(present: Cidr, gateway: Cidr): boolean {
  if (present.ip.family !== gateway.ip.family) return false;
  return gateway.ip.family === 4 || present.overlaps(gateway);
}

/** Takes something back on the host's side, where the device is still there. */
function onPresent(device: Link, work: (host: Rtnl) => void): void {
  using host = Rtnl.open();
  if (host.link.find(device.index)) work(host);
}

/** As {@link onPresent}, where nobody else uses the bridge: others may rely on what they found. */
function unlessShared(
  { bridge, port }: GatewayPlace,
  device: Link,
  work: (host: Rtnl) => void,
): void {
  onPresent(device, (host) => {
    // `BRIDGE.VLAN` is on the bridge with its other end.
    if (!isUsedByOthers(host, bridge, [port.index, device.parent])) work(host);
  });
}

/** `BRIDGE.VLAN`: one end of a pair whose other end is a port of the bridge in that VLAN. */
function ensureVlanInterface(place: GatewayPlace, gateways: readonly Cidr[]): Link {
  const { host, hostNs, bridge, port, options, undo } = place;
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
  const { near, far } = undo.step(`interface ${name}`, () => addVethPair(wanted), ({ far }) => {
    using host = Rtnl.open();
    if (!isUsedByOthers(host, bridge, [port.index, far.index])) host.link.removeIfPresent(name);
  });
  setPortVlans(host, bridge, far, { ...options, trunk: [] });
  prepareHostInterface(name, options);
  host.link.set(near, { up: true });
  return near;
}
