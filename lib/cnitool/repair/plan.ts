/**
 * Repairs of an attachment that remove nothing: they restore missing parts of its result.
 *
 * @module
 */
import { readSysctl, writeSysctl } from "../../host/sysctl.ts";
import { addressOf, resolveRoutes } from "../../ipam/configure.ts";
import type { CachedAttachment } from "../../libcni/cache.ts";
import { cachedNetwork } from "../../libcni/cni.ts";
import { NetNs } from "../../ns/netns.ts";
import type { Link } from "../../rtnl/link.ts";
import { netnsId } from "../../rtnl/netns_id.ts";
import type { NewRoute, Route } from "../../rtnl/route.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { getFold, isObject } from "../../types/json.ts";
import type { Result } from "../../types/result.ts";
import { resultOf } from "../attachment_state.ts";
import { isPeer } from "../links.ts";

/** A missing part, and its repair. */
export interface Repair {
  /** Completes "to be done", like `add 10.1.0.2/24 to eth0`. */
  what: string;
  apply(): void;
}

/** The namespaces of an attachment, with a socket in each, open while repairs are applied. */
export class AttachmentNamespaces implements Disposable {
  readonly #hostNs = NetNs.current();
  readonly host: Rtnl = Rtnl.open(this.#hostNs);
  readonly inside: Rtnl;

  constructor(readonly netns: NetNs) {
    this.inside = Rtnl.open(netns);
  }

  /** The host's end of a veth pair. */
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
 * The repairs of an attachment whose interface is there, in the order in which they are applied.
 */
export function planRepairs(
  attachment: CachedAttachment,
  namespaces: AttachmentNamespaces,
): Repair[] {
  const { inside } = namespaces;
  const link = inside.link.get(attachment.ifName);
  const result = resultOf(attachment);
  return [
    ...planLinks(namespaces, link, result),
    ...planAddresses(inside, link, result),
    ...planRoutes(inside, link, result),
    ...planSysctls(attachment, namespaces.netns),
  ];
}

function planLinks(namespaces: AttachmentNamespaces, link: Link, result: Result): Repair[] {
  const { host, inside } = namespaces;
  const peer = namespaces.peerOf(link);
  const [first] = result.interfaces ?? [];
  const bridge = first && !first.sandbox ? host.link.find(first.name) : undefined;
  return [
    ...peer && bridge?.kind === "bridge" && peer.master !== bridge.index
      ? [{
        what: `put ${peer.name} back into ${bridge.name}`,
        apply: () => host.link.set(peer, { master: bridge }),
      }]
      : [],
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
      // It was this container's before, and the reservation still is.
      apply: () => inside.address.add(link, address, { noDad: true }),
    }));
}

/** Another plugin may have moved a route into a table of its own. */
function planRoutes(inside: Rtnl, link: Link, { routes = [], ips = [] }: Result): Repair[] {
  const present = inside.route.list();
  return resolveRoutes(routes, ips, link).filter((route) =>
    !present.some((one) => isSame(route, one))
  ).map((route) => ({
    what: `add the route to ${route.to}${route.via ? ` via ${route.via}` : ""}`,
    apply: () => inside.route.prepend(route),
  }));
}

function isSame({ to, via }: NewRoute, other: Route): boolean {
  return other.to.equals(to) && (via === undefined || other.via?.equals(via) === true);
}

/** Those that the plugin tuning was to set; other plugins' are their own business. */
function planSysctls(attachment: CachedAttachment, netns: NetNs): Repair[] {
  const plugins = cachedNetwork(attachment)?.plugins ?? [];
  const tables = plugins.filter(({ type }) => type === "tuning")
    .map(({ json }) => getFold(json, "sysctl"));
  return tables.flatMap((table) => isObject(table) ? Object.entries(table) : [])
    .flatMap(([name, value]): Repair[] => {
      const key = pathOf(name, attachment.ifName);
      if (typeof value !== "string" || !/^net\/[^.]/.test(key) || key.includes("..")) return [];
      const found = netns.run(() => readSysctl(key));
      if (found.split(/\s+/).join(" ") === value.trim().split(/\s+/).join(" ")) return [];
      return [{
        what: `set sysctl ${key} from ${found} to ${value}`,
        apply: () => netns.run(() => writeSysctl(key, value)),
      }];
    });
}

/** As sysctl(8) has it: the first separator says which of `.` and `/` separates. */
function pathOf(name: string, ifName: string): string {
  const isDotted = (name.match(/[./]/) ?? ["/"])[0] === ".";
  const swap: Readonly<Record<string, string>> = { ".": "/", "/": "." };
  const path = isDotted ? name.replace(/[./]/g, (char) => swap[char]!) : name;
  return path.replaceAll("IFNAME", ifName);
}
