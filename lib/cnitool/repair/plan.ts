/**
 * Repairs of an attachment that remove nothing: they restore missing parts of its result.
 *
 * @module
 */
import { addressOf, resolveRoutes } from "../../ipam/configure.ts";
import type { CachedAttachment } from "../../libcni/cache.ts";
import { cachedNetwork } from "../../libcni/cni.ts";
import { attachmentRequest } from "../../libcni/request.ts";
import { NetNs } from "../../ns/netns.ts";
import type { Link } from "../../rtnl/link.ts";
import { netnsId } from "../../rtnl/netns_id.ts";
import type { NewRoute, Route } from "../../rtnl/route.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { attachmentInspectionCall } from "../../skel/inspection.ts";
import { knownPlugin } from "../../skel/known_plugins.ts";
import type { Repair } from "../../skel/repair.ts";
import { formatArgs } from "../../types/args.ts";
import type { Result } from "../../types/result.ts";
import { resultOf } from "../attachment_state.ts";
import { isPeer } from "../links.ts";

/** The namespaces of an attachment, with a socket in each, open while repairs are applied. */
export class AttachmentNamespaces implements Disposable {
  readonly #hostNs = NetNs.current();
  readonly host: Rtnl = Rtnl.open(this.#hostNs);
  readonly inside: Rtnl;

  constructor(readonly netns: NetNs) {
    this.inside = Rtnl.open(netns);
  }

  /** Finds the host's end of a veth pair. */
  peerOf(link: Link): Link | undefined {
    const id = netnsId(this.host, this.netns);
    return this.host.link.list({ kind: "veth" }).find((other) => isPeer(link, other, id));
  }

  [Symbol.dispose](): void {
    this.inside[Symbol.dispose]();
    this.host[Symbol.dispose]();
    this.#hostNs[Symbol.dispose]();
    this.netns[Symbol.dispose]();
  }
}

/**
 * Plans the repairs of an attachment whose interface exists, in the order in which they are
 * applied: those of the plugin that made the interface, those that the result calls for, those of
 * later plugins.
 */
export async function planRepairs(
  attachment: CachedAttachment,
  namespaces: AttachmentNamespaces,
): Promise<Repair[]> {
  const { inside } = namespaces;
  const link = inside.link.get(attachment.ifName);
  const result = resultOf(attachment);
  const [first = [], ...later] = await pluginRepairs(attachment);
  return [
    ...first,
    ...planLinks(namespaces, link, result),
    ...planAddresses(inside, link, result),
    ...planRoutes(inside, link, result),
    ...later.flat(),
  ];
}

/** Asks each plugin of the network for its repairs; plugins of other projects have none. */
async function pluginRepairs(attachment: CachedAttachment): Promise<(readonly Repair[])[]> {
  const network = cachedNetwork(attachment);
  const { netns, result, capabilityArgs } = attachment;
  const args = formatArgs(attachment.args);
  return await Promise.all((network?.plugins ?? []).map(async (config) => {
    const known = await knownPlugin(config.type);
    if (!known?.plugin.repairs) return [];
    const text = attachmentRequest(config, network!, result, capabilityArgs);
    const call = await attachmentInspectionCall(known.plugin, text, attachment, { netns, args });
    return await known.plugin.repairs(call);
  }));
}

function planLinks(
  namespaces: AttachmentNamespaces,
  link: Link,
  result: Result,
): Repair[] {
  const { host, inside } = namespaces;
  const peer = namespaces.peerOf(link);
  const [first] = result.interfaces ?? [];
  const bridge = first && !first.sandbox ? host.link.find(first.name) : undefined;
  return [
    ...bridge && !bridge.up
      ? [{ what: `set ${bridge.name} up`, apply: () => host.link.set(bridge, { up: true }) }]
      : [],
    ...peer && !peer.up
      ? [{ what: `set ${peer.name} up`, apply: () => host.link.set(peer, { up: true }) }]
      : [],
    ...link.up
      ? []
      : [{ what: `set ${link.name} up`, apply: () => inside.link.set(link, { up: true }) }],
  ];
}

function planAddresses(inside: Rtnl, link: Link, { interfaces = [], ips = [] }: Result): Repair[] {
  const own = interfaces.findIndex(({ name, sandbox }) => sandbox && name === link.name);
  const present = inside.address.list({ device: link });
  return ips.filter((ip) => ip.interface === undefined || ip.interface === own).map(addressOf)
    .filter((address) => !present.some((one) => one.address.equals(address)))
    .map((address) => ({
      what: `add ${address} to ${link.name}`,
      // No duplicate address detection: the address is still reserved for this container.
      apply: () => inside.address.add(link, address, { noDad: true }),
    }));
}

/**
 * Plans the routes that are missing. Where a rule leads packets from the container to another
 * table, a plugin may have moved routes there: those are that plugin's to restore.
 */
function planRoutes(inside: Rtnl, link: Link, { routes = [], ips = [] }: Result): Repair[] {
  const present = inside.route.list();
  const own = inside.address.list({ device: link }).map(({ address }) => address.ip);
  const moved = new Set(
    inside.rule.list().filter(({ from }) => from && own.some((ip) => from.contains(ip)))
      .map(({ from }) => from!.ip.family),
  );
  return resolveRoutes(routes, ips, link)
    .filter(({ to, table }) => table !== undefined || !moved.has(to.ip.family))
    .filter((route) => !present.some((one) => isSame(route, one)))
    .map((route) => ({
      what: `add the route to ${route.to}${route.via ? ` via ${route.via}` : ""}`,
      apply: () => inside.route.prepend(route),
    }));
}

function isSame({ to, via }: NewRoute, other: Route): boolean {
  return other.to.equals(to) && (via === undefined || other.via?.equals(via) === true);
}
