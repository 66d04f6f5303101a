/**
 * A container's interface, which may be gone at any time. Nothing of it is kept open: an open
 * descriptor would keep the namespace alive behind its container.
 *
 * @module
 */
import { trySysctl } from "../../../lib/host/sysctl.ts";
import type { Cidr } from "../../../lib/ip/cidr.ts";
import { addressOf, addRoutes, resolveRoutes } from "../../../lib/ipam/configure.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Configuration } from "./configuration.ts";

/** Where an interface is, and what tells it from another of its name. On disk in this form, too. */
export interface Place {
  netns: string;
  /** Device and inode number of the namespace. */
  dev: number;
  ino: number;
  ifName: string;
  index: number;
  /** The hardware address that servers know it by: the one it had first. */
  mac: string;
}

/** An interface or its namespace is no more. */
export class Vanished extends Error {
  override readonly name = "Vanished";
}

/** An interface while something is done with it. */
export class OpenInterface implements Disposable {
  private constructor(
    readonly netns: NetNs,
    readonly inside: Rtnl,
    readonly link: Link,
  ) {}

  /** Finds an interface by its name. @throws {CniError} code 8 or 999 when it is not there */
  static find(path: string, ifName: string): OpenInterface {
    const netns = NetNs.open(path);
    try {
      return OpenInterface.#with(netns, (inside) => inside.link.get(ifName));
    } catch (error) {
      netns[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Finds the very interface that was there before. Its hardware address may be another by now,
   * since a chained plugin may set one.
   * @throws {Vanished}
   */
  static at(place: Place): OpenInterface {
    const netns = openNamespace(place);
    if (!netns) throw new Vanished(`network namespace ${place.netns} is gone`);
    try {
      if (netns.dev !== place.dev || netns.ino !== place.ino) {
        throw new Vanished(`${place.netns} is another network namespace by now`);
      }
      return OpenInterface.#with(netns, (inside) => {
        const link = inside.link.find(place.ifName);
        if (link?.index === place.index) return link;
        throw new Vanished(
          link
            ? `interface ${place.ifName} in ${place.netns} is another one by now`
            : `interface ${place.ifName} in ${place.netns} is gone`,
        );
      });
    } catch (error) {
      netns[Symbol.dispose]();
      throw error;
    }
  }

  static #with(netns: NetNs, find: (inside: Rtnl) => Link): OpenInterface {
    const inside = Rtnl.open(netns);
    try {
      return new OpenInterface(netns, inside, find(inside));
    } catch (error) {
      inside[Symbol.dispose]();
      throw error;
    }
  }

  get place(): Place {
    const { dev, ino, path } = this.netns;
    const { name, index, address } = this.link;
    return { netns: path, dev, ino, ifName: name, index, mac: address };
  }

  [Symbol.dispose](): void {
    this.inside[Symbol.dispose]();
    this.netns[Symbol.dispose]();
  }
}

/** Undefined where it is no more; a mount that was taken away leaves an ordinary file behind. */
function openNamespace({ netns, dev, ino }: Place): NetNs | undefined {
  try {
    return NetNs.openIfPresent(netns);
  } catch (error) {
    const found = runtime.files.stat(netns);
    if (found.dev === dev && found.ino === ino) throw error;
    return undefined;
  }
}

/** How long a link may take to have somebody at its other end, and how often it is looked at. */
const CARRIER_DEADLINE = 2000;
const CARRIER_INTERVAL = 10;

/**
 * Sets an interface up where it is down, and waits for its other end, without which a message
 * would be lost. What has none after two seconds is used all the same.
 */
export async function bringUp(place: Place): Promise<void> {
  for (let waited = 0; waited < CARRIER_DEADLINE; waited += CARRIER_INTERVAL) {
    {
      using open = OpenInterface.at(place);
      if (!open.link.up) open.inside.link.set(open.link, { up: true });
      // Devices that do not tell, such as macvlan's in some modes, say "unknown".
      else if (open.link.operState === "up" || open.link.operState === "unknown") return;
    }
    await new Promise((resolve) => setTimeout(resolve, CARRIER_INTERVAL));
  }
}

/**
 * Brings an interface from one configuration to another: what a server changed on renewal, or
 * took away. What both have stays untouched, and so do routes that others added.
 * @returns what is wrong with routes that the kernel does not take; the others are there
 * @throws {Vanished}
 */
export function reconfigure(
  place: Place,
  before: Configuration | undefined,
  after: Configuration | undefined,
): string[] {
  using open = OpenInterface.at(place);
  const { netns, inside, link } = open;
  const old = before?.ips.map(addressOf) ?? [];
  const fresh = after?.ips.map(addressOf) ?? [];
  const without = (list: readonly Cidr[], others: readonly Cidr[]) =>
    list.filter((one) => !others.some((other) => other.equals(one)));
  const addFresh = () => {
    for (const address of without(fresh, old)) {
      tolerate(() => inside.address.add(link, address), ["EEXIST"]);
    }
  };
  const sameRoutes = JSON.stringify([before?.routes, before?.ips]) ===
    JSON.stringify([after?.routes, after?.ips]);
  if (!sameRoutes && before) {
    for (const route of resolveRoutes(before.routes, before.ips, link)) {
      tolerate(() => inside.route.removeIfPresent(route), ["EINVAL"]);
    }
  }
  addFresh();
  const over = without(old, fresh);
  if (over.some(({ ip }) => ip.family === 4)) {
    // Otherwise the kernel takes a network's second address away with the first, and all routes.
    netns.run(() => trySysctl(`net/ipv4/conf/${link.name}/promote_secondaries`, "1"));
  }
  for (const address of over) {
    tolerate(() => inside.address.remove(link, address), ["EADDRNOTAVAIL"]);
  }
  addFresh(); // Where that sysctl could not be set.
  return sameRoutes || !after ? [] : addEachRoute(open, after);
}

function addEachRoute({ inside, link }: OpenInterface, { routes, ips }: Configuration): string[] {
  return routes.flatMap((route) => {
    try {
      tolerate(() => addRoutes(inside, link, { routes: [route], ips }), ["EEXIST"]);
      return [];
    } catch (error) {
      return [messageOf(error)];
    }
  });
}

function tolerate(action: () => void, codes: readonly string[]): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof NetlinkError && codes.includes(error.code))) throw error;
  }
}

/** An error about an interface, for whoever asked for an address. */
export function unusable(error: unknown): CniError {
  return error instanceof Vanished ? CniError.invalidNetNs(error.message) : CniError.from(error);
}
