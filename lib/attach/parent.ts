/**
 * The parent of a container's interface (`ip link add … link PARENT`): an interface of the host, or
 * one inside the container. Configurations name it with the key `master`.
 *
 * @module
 */
import { RT_TABLE_MAIN, RTN_UNICAST } from "../netlink/route.ts";
import { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import { CniError } from "../types/error.ts";
import { boolean, integer, string, withDefault } from "../types/schema.ts";
import type { Namespaces } from "./namespaces.ts";

/** The options of every plugin whose interface has a parent. */
export const parentOptions = () => ({
  /** The parent: the interface to hang on; empty for that of the default route. */
  master: withDefault(string(), ""),
  /** The parent is in the container, not on the host. */
  linkInContainer: withDefault(boolean(), false),
  /** Bytes; 0 for the parent's, which macvlan and vlan must not exceed. */
  mtu: withDefault(integer({ min: 0, max: 65535 }), 0),
});

/** @see parentOptions */
export interface ParentOptions {
  master: string;
  linkInContainer: boolean;
  mtu: number;
}

/** The namespace that a parent is in: a socket there, and the words for messages. */
export interface ParentSide {
  rtnl: Rtnl;
  netns: NetNs;
  where: string;
}

/** The side of an attachment that the parent is on. */
export function parentSide(
  { host, hostNs, inside, sandbox }: Namespaces,
  { linkInContainer }: Pick<ParentOptions, "linkInContainer">,
): ParentSide {
  return linkInContainer
    ? { rtnl: inside, netns: sandbox, where: "in the container" }
    : { rtnl: host, netns: hostNs, where: "on the host" };
}

/**
 * Finds the parent.
 * @param name its name; empty for the interface of the default route
 * @throws {CniError} code 7 when there is none
 */
export function findParent(
  { rtnl, where }: Pick<ParentSide, "rtnl" | "where">,
  name: string,
): Link {
  if (name) {
    const link = rtnl.link.find(name);
    if (link) return link;
    throw CniError.invalidConfig(
      `Link not found: there is no interface ${
        JSON.stringify(name)
      } ${where}, which "master" names`,
    );
  }
  for (const family of [4, 6] as const) {
    const [device] = rtnl.route.list({ family, table: RT_TABLE_MAIN })
      .filter(({ to, type }) => to.prefix === 0 && type === RTN_UNICAST)
      .flatMap(({ device, nextHops = [] }) => device ?? nextHops.map((hop) => hop.device));
    if (device !== undefined) return rtnl.link.get(device);
  }
  throw CniError.invalidConfig(
    `no default route interface found ${where}; name the interface to use in "master"`,
  );
}

/**
 * Expects an MTU that is not above the parent's.
 * @throws {CniError} code 7 when the interface would take larger packets than its parent
 */
export function limitMtu(mtu: number, parent: Link): void {
  if (mtu <= parent.mtu) return;
  throw CniError.invalidConfig(
    `invalid MTU ${mtu}, must be [0, master MTU(${parent.mtu})]: ${parent.name} passes no larger packets`,
  );
}

/**
 * STATUS: the host has the parent. One inside a container is known only when there is a container.
 * @throws {CniError} code 50
 */
export function requireParent({ master, linkInContainer }: ParentOptions): void {
  if (linkInContainer) return;
  using rtnl = Rtnl.open();
  try {
    findParent({ rtnl, where: "on the host" }, master);
  } catch (error) {
    throw CniError.notAvailable((error as Error).message);
  }
}
