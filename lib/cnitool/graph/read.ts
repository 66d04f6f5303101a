/** Reads the graph from the kernel. */
import { PORT_MAPPERS } from "../../firewall/ports/mappers.ts";
import type { Claim } from "../../firewall/ports/types.ts";
import type { CachedAttachment } from "../../libcni/cache.ts";
import { IFF_LOOPBACK } from "../../netlink/link.ts";
import { RT_TABLE_MAIN } from "../../netlink/route.ts";
import { NETNS_DIRECTORY } from "../../ns/named.ts";
import { NetNs } from "../../ns/netns.ts";
import { visibleNetNs } from "../../ns/visible.ts";
import type { BridgeVlan } from "../../rtnl/bridge_vlan.ts";
import type { Link } from "../../rtnl/link.ts";
import { netnsId } from "../../rtnl/netns_id.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { namedAttachment } from "../../ip/mark.ts";
import { isParent, isPeer } from "../links.ts";
import { compareWithCache, goneAttachments } from "./differences.ts";
import type { Container, ContainerInterface, HostGraph, HostInterface } from "./model.ts";

/** Reads the graph. @throws {CniError} without the privilege to enter namespaces */
export async function readGraph(cached: readonly CachedAttachment[]): Promise<HostGraph> {
  using hostNs = NetNs.current();
  using host = Rtnl.open(hostNs);
  const links = host.link.list().filter(isNoLoopback);
  const [nftables, iptables] = [
    await PORT_MAPPERS.of("nftables"),
    await PORT_MAPPERS.of("iptables"),
  ];
  const claims = [...await nftables.claims(), ...await iptables.claims()];
  const containers: Container[] = [];
  for (const netns of visibleNetNs()) {
    using _open = netns;
    if (netns.is(hostNs)) continue;
    const container = readContainer(netns, hostNs, { host, links, claims, cached });
    if (container.interfaces.length > 0) containers.push(container);
  }
  containers.sort((a, b) => a.name < b.name ? -1 : 1);
  return {
    host: links.map((link) => readHostInterface(host, link, links)),
    containers,
    differences: goneAttachments(cached, containers, links),
  };
}

/** The state of the host that containers are compared with. */
interface HostState {
  host: Rtnl;
  links: readonly Link[];
  claims: readonly Claim[];
  cached: readonly CachedAttachment[];
}

function readContainer(netns: NetNs, hostNs: NetNs, around: HostState): Container {
  using inside = Rtnl.open(netns);
  const { host, links, claims, cached } = around;
  const [fromHost, toHost] = [netnsId(host, netns), netnsId(inside, hostNs)];
  const interfaces = inside.link.list().filter(isNoLoopback).filter(isMade).map(
    (link): ContainerInterface => {
      const addresses = addressesOf(inside, link);
      const onHost = links.find((other) =>
        isPeer(link, other, fromHost) || isParent(link, other, toHost)
      );
      const found = {
        name: link.name,
        kind: link.kind,
        up: link.up,
        mac: link.address,
        addresses,
        ports: claims.filter(({ target }) => addresses.some((one) => one.startsWith(`${target}/`)))
          .map(portText).sort(),
        ...onHost ? { host: onHost.name } : {},
      };
      const noted = namedAttachment(onHost?.kind === "veth" ? onHost.alias : link.alias);
      return { ...found, ...compareWithCache(found, netns, noted, cached, around.links) };
    },
  );
  return { name: nameOf(netns.path), path: netns.path, interfaces };
}

function nameOf(path: string): string {
  return path.startsWith(`${NETNS_DIRECTORY}/`) ? path.slice(NETNS_DIRECTORY.length + 1) : path;
}

function isNoLoopback({ flags }: Link): boolean {
  return (flags & IFF_LOOPBACK) === 0;
}

/**
 * Whether an interface was made by somebody, unlike the kernel's tunnel devices of each namespace.
 */
function isMade({ name }: Link): boolean {
  return !/^(tunl0|sit0|ip6tnl0|gre0|gretap0|erspan0|ip_vti0|ip6_vti0|ip6gre0)$/.test(name);
}

function readHostInterface(host: Rtnl, link: Link, links: readonly Link[]): HostInterface {
  const named = (index: number | undefined) => links.find((other) => other.index === index);
  const { name, kind, up } = link;
  const master = named(link.master);
  // IFLA_LINK of a veth is its peer, which is shown with the peer's container.
  const parent = kind === "veth" || link.parentNetnsId !== undefined
    ? undefined
    : named(link.parent);
  const isFiltering = master?.data.vlanFiltering === 1;
  return {
    name,
    kind,
    up,
    addresses: addressesOf(host, link),
    ...master ? { master: master.name } : {},
    ...parent ? { parent: parent.name } : {},
    ...isFiltering ? { vlans: vlanText(host.bridgeVlan.list(link)) } : {},
    isUplink: host.route.list({ table: RT_TABLE_MAIN, device: link })
      .some(({ to }) => to.prefix === 0),
  };
}

function addressesOf(rtnl: Rtnl, link: Link): string[] {
  return rtnl.address.list({ device: link }).map(({ address }) => address)
    .filter(({ ip }) => !ip.isLinkLocal()).map(String);
}

function portText({ protocol, hostIp, hostPort }: Claim): string {
  const where = hostIp ? `${hostIp.family === 6 ? `[${hostIp}]` : hostIp}:` : "";
  return `${where}${hostPort}/${protocol}`;
}

/** Formats VLANs like `5 untagged, 7-9`. */
function vlanText(vlans: readonly BridgeVlan[]): string {
  const parts: string[] = [];
  for (let i = 0; i < vlans.length; i++) {
    const { id, untagged } = vlans[i]!;
    let last = i;
    while (!untagged && vlans[last + 1]?.id === vlans[last]!.id + 1 && !vlans[last + 1]!.untagged) {
      last++;
    }
    parts.push(untagged ? `${id} untagged` : last > i ? `${id}-${vlans[last]!.id}` : String(id));
    i = last;
  }
  return parts.join(", ") || "none";
}
