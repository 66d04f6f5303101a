/**
 * A container's interface, which may be gone at any time. Nothing of it is kept open: an open
 * descriptor would keep the namespace alive after its container.
 *
 * @module
 */
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { isSameFile } from "../../../lib/runtime/same_file.ts";
import { CniError } from "../../../lib/types/error.ts";

/** The identity of an interface. */
export interface InterfaceId {
  /** Path of its network namespace. */
  netns: string;
  /** Device and inode number of the namespace. */
  dev: number;
  ino: number;
  /** Its number in there, which stays when it is renamed. */
  index: number;
  /** Its name when it got its lease. */
  ifName: string;
  /** Its hardware address when it got its lease. */
  mac: string;
}

/** Tells whether both are the same interface, whatever its name and hardware address are now. */
export function sameInterface(a: InterfaceId, b: InterfaceId): boolean {
  return isSameFile(a, b) && a.index === b.index;
}

/** An interface, or its namespace, is not there any more. */
export class InterfaceGone extends Error {
  override readonly name = "InterfaceGone";
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

  /** Finds the interface that was there before. @throws {InterfaceGone} */
  static at(interfaceId: InterfaceId): OpenInterface {
    const netns = openNamespace(interfaceId);
    if (!netns) throw new InterfaceGone(`network namespace ${interfaceId.netns} is gone`);
    try {
      if (!netns.is(interfaceId)) {
        throw new InterfaceGone(`${interfaceId.netns} is another network namespace now`);
      }
      return OpenInterface.#with(netns, (inside) => {
        const link = inside.link.find(interfaceId.index);
        if (link) return link;
        throw new InterfaceGone(`interface ${interfaceId.ifName} in ${interfaceId.netns} is gone`);
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

  get id(): InterfaceId {
    const { dev, ino, path } = this.netns;
    const { name, index, address } = this.link;
    return { netns: path, dev, ino, index, ifName: name, mac: address };
  }

  [Symbol.dispose](): void {
    this.inside[Symbol.dispose]();
    this.netns[Symbol.dispose]();
  }
}

/**
 * Opens the namespace of an interface; undefined where it is gone: below a mount that was removed
 * is a regular file.
 */
function openNamespace(interfaceId: InterfaceId): NetNs | undefined {
  try {
    return NetNs.openIfPresent(interfaceId.netns);
  } catch (error) {
    if (isSameFile(runtime.files.stat(interfaceId.netns), interfaceId)) throw error;
    return undefined;
  }
}

/** The longest time to wait for a carrier, and the interval of checks. Milliseconds. */
const CARRIER_DEADLINE = 2000;
const CARRIER_INTERVAL = 10;

/**
 * Sets an interface up where it is down, and waits for its carrier: what is sent before is lost.
 * Without one after two seconds it is used all the same.
 * @throws {InterfaceGone}
 */
export async function bringUp(interfaceId: InterfaceId): Promise<void> {
  for (let waited = 0; waited < CARRIER_DEADLINE; waited += CARRIER_INTERVAL) {
    {
      using open = OpenInterface.at(interfaceId);
      if (!open.link.up) open.inside.link.set(open.link, { up: true });
      // Drivers without an operational state, such as macvlan's in some modes, say "unknown".
      else if (open.link.operState === "up" || open.link.operState === "unknown") return;
    }
    await new Promise((resolve) => setTimeout(resolve, CARRIER_INTERVAL));
  }
}

/** Makes the error about an interface for the plugin that asked for an address. */
export function interfaceError(error: unknown): CniError {
  return error instanceof InterfaceGone
    ? CniError.invalidNetNs(error.message)
    : CniError.from(error);
}
