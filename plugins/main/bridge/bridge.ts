import { trySysctl, trySysctlValue } from "../../../lib/ns/sysctl.ts";
import { isOwnMac, provisionalMac } from "../../../lib/ip/mac.ts";
import { BR_BOOLOPT_NO_LL_LEARN } from "../../../lib/netlink/link_data.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import type { Undo } from "../../../lib/skel/undo.ts";
import { CniError } from "../../../lib/types/error.ts";
import { type Options, wantsVlans } from "./config.ts";

/**
 * Makes the configured bridge where none was found, and sets it up. An existing one keeps its MTU and its
 * VLAN filtering: other programs may use it. It takes no more router advertisements.
 * @param found what {@link findBridge} has found
 * @throws {CniError} code 7 when the name is that of an interface of another kind
 */
export async function ensureBridge(
  host: Rtnl,
  found: Link | undefined,
  options: Options,
  undo: Undo,
): Promise<Link> {
  const { bridge: name, mtu, promiscMode, macspoofchk } = options;
  let bridge = found;
  if (!bridge) {
    undo.step(
      `bridge ${name}`,
      () => create(host, name, mtu, wantsVlans(options)),
      (isOurs) => {
        if (isOurs) removeUnlessUsed(name);
      },
    );
    bridge = await findBridge(host, name);
    if (!bridge) {
      throw CniError.tryAgainLater(`bridge ${name} was removed while it was being set up`);
    }
    prepareHostInterface(name, options);
  } else {
    refuseAdvertisements(host, bridge, undo);
    if (wantsVlans(options) && !bridge.data.vlanFiltering) {
      warn(
        `bridge ${name} does not filter VLANs, so "vlan" and "vlanTrunk" separate nothing; ` +
          `if it is this network's own: ip link set ${name} type bridge vlan_filtering 1\n`,
      );
    }
  }
  if (!bridge.up) setMode(host, bridge, "up", undo);
  if (promiscMode && !bridge.promisc) setMode(host, bridge, "promisc", undo);
  if (macspoofchk) learnNothingLinkLocal(host, bridge);
  return bridge;
}

/**
 * Disables router advertisements on a bridge that was there, as the Go plugin does: containers could
 * send them to the host (CVE-2020-10749).
 */
function refuseAdvertisements(host: Rtnl, bridge: Link, undo: Undo): void {
  const { index, name } = bridge;
  const key = `net/ipv6/conf/${name}/accept_ra`;
  const before = trySysctlValue(key);
  if (before === undefined || before === "0") return;
  const ports = portsOf(host, bridge);
  undo.step(`accept_ra of ${name}`, () => trySysctl(key, "0"), () => {
    using host = Rtnl.open();
    const bridge = host.link.find(index);
    if (bridge && !isUsedByOthers(host, bridge, ports)) trySysctl(key, before);
  });
}

/**
 * Disables learning from link-local frames (01:80:c2:00:00:0X), and leaves it so: they pass no hook
 * of nftables, so that a container could get another's traffic by a forged one. Linux before 5.0
 * has no such option.
 */
function learnNothingLinkLocal(host: Rtnl, bridge: Link): void {
  const option = BR_BOOLOPT_NO_LL_LEARN;
  const { value, mask } = bridge.data.boolOptions ?? { value: 0, mask: 0 };
  if ((mask & option) === 0 || (value & option) !== 0) return;
  host.link.setData(bridge, { boolOptions: { value: option, mask: option } });
}

/**
 * Finds the bridge of that name; undefined when there is no such interface.
 * @throws {CniError} code 7 when it is no bridge
 */
export async function findBridge(host: Rtnl, name: string): Promise<Link | undefined> {
  return requireBridge(await host.link.findMeanwhile(name), name);
}

/** Passes on an interface of that name, where there is one. @throws {CniError} as {@link findBridge} */
export function requireBridge(link: Link | undefined, name: string): Link | undefined {
  if (!link || link.kind === "bridge") return link;
  throw CniError.invalidConfig(
    `"bridge" is ${
      JSON.stringify(name)
    }, but "${name}" already exists but is not a bridge: it is ` +
      `a ${link.kind || "device"} with index ${link.index}; give the bridge a name that no ` +
      "other interface has",
  );
}

/**
 * Whether a bridge has ports other than `own`. Changes that several attachments share are undone
 * only without such ports.
 * @param own their indexes
 */
export function isUsedByOthers(
  host: Rtnl,
  bridge: Link,
  own: readonly (number | undefined)[],
): boolean {
  return portsOf(host, bridge).some((port) => !own.includes(port));
}

/** Lists the indexes of a bridge's ports. */
function portsOf(host: Rtnl, bridge: Link): number[] {
  return host.link.list({ master: bridge.index }).map(({ index }) => index);
}

/**
 * Disables router advertisements, which containers could send to the host, and duplicate address
 * detection: until that has ended, after a second or two, the host could not resolve a container's
 * hardware address for forwarded packets.
 */
export function prepareHostInterface(name: string, { enabledad }: Options): void {
  trySysctl(`net/ipv6/conf/${name}/accept_ra`, "0");
  if (!enabledad) trySysctl(`net/ipv6/conf/${name}/accept_dad`, "0");
}

/**
 * Whether a bridge's MAC address may be changed: this plugin generated it, and it is not that of a
 * port, over which the host may be reached.
 */
export function hasOwnMac(host: Rtnl, { index }: Link): boolean {
  const { address } = host.link.get(index);
  return isOwnMac(address) &&
    host.link.list({ master: index }).every((port) => port.address !== address);
}

/** Makes a bridge. @returns false when another process made it first */
function create(host: Rtnl, name: string, mtu: number, vlanFiltering: boolean): boolean {
  try {
    host.link.add({
      name,
      kind: "bridge",
      mtu: mtu || undefined,
      address: provisionalMac(),
      data: vlanFiltering ? { vlanFiltering: 1 } : {},
    });
    return true;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (error.code === "EEXIST") return false;
    if (vlanFiltering && error.code === "EOPNOTSUPP") throw withoutVlans(error);
    throw error;
  }
}

/** Makes the error of a kernel without VLAN filtering. */
export function withoutVlans(error: NetlinkError): CniError {
  return CniError.internal(
    `${error.message}; "vlan" and "vlanTrunk" need a kernel with CONFIG_BRIDGE_VLAN_FILTERING`,
  );
}

function removeUnlessUsed(name: string): void {
  using host = Rtnl.open();
  const bridge = host.link.find(name);
  if (bridge && !isUsedByOthers(host, bridge, [])) host.link.removeIfPresent(bridge);
}

/** Sets a bridge up, or into promiscuous mode. It stays so for ports that came meanwhile. */
function setMode(
  host: Rtnl,
  bridge: Link,
  mode: "up" | "promisc",
  undo: Undo,
): void {
  const { index, name } = bridge;
  const before = portsOf(host, bridge);
  undo.step(
    `the mode "${mode}" of ${name}`,
    () => host.link.set(index, { [mode]: true }),
    () => {
      using host = Rtnl.open();
      const bridge = host.link.find(index);
      if (bridge && !isUsedByOthers(host, bridge, before)) host.link.set(bridge, { [mode]: false });
    },
  );
}
