/**
 * The interface that a container's interface hangs on: the host's, or one inside the container.
 *
 * @module
 */
import { NetNs } from "../ns/netns.ts";
import type { Link, NewLink } from "../rtnl/link.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import { NetlinkError } from "../nl/error.ts";
import { RT_TABLE_MAIN, RTN_UNICAST } from "../netlink/route.ts";
import type { AddCall } from "../skel/plugin.ts";
import { CniError } from "../types/error.ts";
import { boolean, integer, string, withDefault } from "../types/schema.ts";
import type { Place } from "./attach.ts";
import { removeLink } from "./detach.ts";

/** The options of every plugin whose interface has a master. */
export const masterOptions = () => ({
  /** Name of the master; empty for the interface of the default route. */
  master: withDefault(string(), ""),
  /** The master is in the container, not on the host. */
  linkInContainer: withDefault(boolean(), false),
  /** Bytes; 0 for the master's. */
  mtu: withDefault(integer({ min: 0, max: 65535 }), 0),
});

/** @see masterOptions */
export interface MasterOptions {
  master: string;
  linkInContainer: boolean;
  mtu: number;
}

/** Where a master is looked for: a socket there, its namespace, and the words for messages. */
export interface MasterSide {
  rtnl: Rtnl;
  netns: NetNs;
  where: string;
}

/** The side of an attachment that the master is on. */
export function masterSide(
  { host, hostNs, inside, sandbox }: Place,
  { linkInContainer }: MasterOptions,
): MasterSide {
  return linkInContainer
    ? { rtnl: inside, netns: sandbox, where: "in the container" }
    : { rtnl: host, netns: hostNs, where: "on the host" };
}

/**
 * The master that the configuration names, or the interface of the default route.
 * @throws {CniError} code 7 when there is none
 */
export function findMaster({ rtnl, where }: MasterSide, { master }: { master: string }): Link {
  if (master) {
    const link = rtnl.link.find(master);
    if (link) return link;
    throw CniError.invalidConfig(
      `Link not found: there is no interface ${
        JSON.stringify(master)
      } ${where}, which "master" names`,
    );
  }
  for (const family of [4, 6] as const) {
    const route = rtnl.route.list({ family, table: RT_TABLE_MAIN })
      .find(({ to, device, type }) => to.prefix === 0 && device && type === RTN_UNICAST);
    if (route) return rtnl.link.get(route.device!);
  }
  throw CniError.invalidConfig(
    `no default route interface found ${where}; name the interface to use in "master"`,
  );
}

/** @throws {CniError} code 7 when the interface would take larger packets than its master */
export function limitMtu({ mtu }: MasterOptions, master: Link): void {
  if (mtu <= master.mtu) return;
  throw CniError.invalidConfig(
    `invalid MTU ${mtu}, must be [0, master MTU(${master.mtu})]: ${master.name} passes no larger packets`,
  );
}

/**
 * STATUS: the host has the master. One inside a container is known only when there is a container.
 * @throws {CniError} code 50
 */
export function expectMaster(options: MasterOptions): void {
  if (options.linkInContainer) return;
  using host = Rtnl.open();
  using netns = NetNs.current();
  try {
    findMaster({ rtnl: host, netns, where: "on the host" }, options);
  } catch (error) {
    throw CniError.notAvailable((error as Error).message);
  }
}

/**
 * `ip link add link MASTER name IFNAME netns CONTAINER type KIND …`: created where it stays, under
 * the name it keeps. A failing ADD removes it.
 * @throws {NetlinkError} when the kernel refuses
 */
export function addToMaster(
  { ifName, undo, ...call }: AddCall<MasterOptions>,
  place: Place,
  master: Link,
  link: Pick<NewLink, "kind" | "address" | "data">,
): void {
  const { rtnl } = masterSide(place, call.options);
  const netns = rtnl === place.inside ? undefined : place.sandbox;
  const mtu = call.options.mtu || undefined;
  const wanted = { ...link, mtu, name: ifName, parent: master.index, netns };
  undo.step(
    "the interface",
    () => create(rtnl, place.inside, wanted),
    () => removeLink({ ...call, ifName }, link.kind),
  );
}

function create(rtnl: Rtnl, inside: Rtnl, link: NewLink): void {
  try {
    rtnl.link.add(link);
  } catch (error) {
    // Before Linux 6.15 the name must be free on the master's side too, though it is not for there.
    if (!(error instanceof NetlinkError) || error.code !== "EEXIST") throw error;
    if (!link.netns || !rtnl.link.find(link.name)) throw error;
    addAndRename(rtnl, inside, link);
  }
}

function addAndRename(rtnl: Rtnl, inside: Rtnl, link: NewLink): void {
  const name = `tmp${crypto.randomUUID().slice(0, 8)}`;
  rtnl.link.add({ ...link, name });
  try {
    inside.link.set(name, { name: link.name });
  } catch (error) {
    inside.link.removeIfPresent(name);
    throw error;
  }
}
