/**
 * The index by owner of addresses and namespaces, which saves reading every reservation. The Go
 * plugin reads all files of a network; this index is outside of that directory.
 * `DATADIR/.owners/NETWORK/` has a symbolic link per owner, whose name is `CONTAINER:INTERFACE`
 * and whose target is the list of addresses, not a path: `10.1.2.3,fd00::3`. After a space
 * the namespace's device, inode and path may follow, which only an ADD of this plugin notes:
 * `10.1.2.3 4 4026532177 /run/netns/blue`. symlink(2) is atomic: no link can be half written.
 *
 * The Go plugin does not update it, nor does an administrator who removes a file by hand. So each
 * change ends with setting the modification time of both directories to the same value, a second in
 * the past and without a fraction. Adding or removing a file later changes the time of one. The
 * index is valid only while both are equal; otherwise it is rebuilt from the files.
 *
 * @module
 */
import { readLinkIfPresent, removeDirectory } from "../../../lib/libc/names.ts";
import { errnoCode, ifPresent, unlessRefused } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeIfPresent } from "../../../lib/runtime/write_atomic.ts";
import type { RecordedNetNs } from "../../../lib/ns/recorded.ts";
import type { Owner } from "./store.ts";

/** The temporary name of a new link; owners' names begin with a letter or digit. */
const NEW = ".new";

/** The longest target of a link that every file system takes (XFS: 1024). Bytes. */
const MAX_TARGET = 1000;

/** What is noted of an owner. */
export interface Note {
  /** Addresses, as text. */
  readonly addresses: readonly string[];
  /** Absent where nobody noted it, or somebody else changed the reservations since. */
  readonly netns?: RecordedNetNs;
}

/** The addresses of an owner. */
export interface Holding {
  readonly owner: Owner;
  /** Addresses, as text. */
  readonly addresses: Set<string>;
  netns?: RecordedNetNs;
}

export class OwnerIndex {
  readonly #reservations: string;
  readonly #parent: string;
  readonly #directory: string;

  constructor(dataDir: string, network: string) {
    this.#reservations = `${dataDir}/${network}`;
    this.#parent = `${dataDir}/.owners`;
    this.#directory = `${this.#parent}/${network}`;
  }

  /** Whether the reservations are unchanged since {@link OwnerIndex.stamp}. */
  isCurrent(): boolean {
    const { modifiedMs } = runtime.files.stat(this.#reservations);
    // Without a stamp there need not be an index: an exception takes longer than all the rest.
    if (modifiedMs % 1000 !== 0) return false;
    return ifPresent(() => runtime.files.stat(this.#directory))?.modifiedMs === modifiedMs;
  }

  /** Reads the note of an owner. */
  get(owner: Owner): Note {
    const name = nameOf(owner);
    const target = isFileName(name) ? readLinkIfPresent(this.#path(name)) : undefined;
    return target === undefined ? { addresses: [] } : noteOf(target);
  }

  /** Notes what an owner holds; no address removes it. */
  set(holding: Holding): void {
    const name = nameOf(holding.owner);
    if (isFileName(name)) this.#write(name, targetOf(holding));
  }

  /** Replaces the index by these owners. */
  rebuild(holdings: Iterable<Holding>): void {
    const wanted = new Map<string, string>();
    for (const holding of holdings) {
      const name = nameOf(holding.owner);
      // No call has an owner with an invalid name.
      if (holding.addresses.size > 0 && isFileName(name)) wanted.set(name, targetOf(holding));
    }
    // The parent by itself: to find out that it is missing takes longer than to make it.
    for (const path of [this.#parent, this.#directory]) runtime.files.makeDirectory(path, 0o755);
    for (const name of runtime.files.list(this.#directory)) {
      if (!wanted.has(name)) runtime.files.remove(this.#path(name));
      else if (this.#targetAt(name) === wanted.get(name)) wanted.delete(name);
    }
    for (const [name, target] of wanted) this.#write(name, target);
  }

  /** Removes an empty index. Returns whether it did. */
  removeIfEmpty(): boolean {
    const isRemoved = removeDirectory(this.#directory);
    if (isRemoved) removeDirectory(this.#parent);
    return isRemoved;
  }

  /** Marks the index as valid for the current reservations. */
  stamp(): void {
    // In the past, so that no later change can have the same time; whole, so that all clocks and
    // file systems can express it.
    const time = (Math.floor(Date.now() / 1000) - 1) * 1000;
    runtime.files.setModified(this.#directory, time);
    runtime.files.setModified(this.#reservations, time);
  }

  /** Reads the target of a link; undefined where something else is in its place. */
  #targetAt(name: string): string | undefined {
    try {
      return runtime.files.readLink(this.#path(name));
    } catch (error) {
      if (errnoCode(error) !== "EINVAL") throw error;
      return undefined;
    }
  }

  #write(name: string, target: string): void {
    const path = this.#path(name);
    if (target === "") {
      removeIfPresent(path);
      return;
    }
    // Most owners have none yet.
    const make = () => runtime.files.symlink(target, path);
    unlessRefused(make, "EEXIST", () => this.#replace(path, target));
  }

  /** Gives a link another target, at once: an owner without a link would hold nothing. */
  #replace(path: string, target: string): void {
    const replacement = this.#path(NEW);
    const make = () => runtime.files.symlink(target, replacement);
    unlessRefused(make, "EEXIST", () => {
      runtime.files.remove(replacement); // what a killed process has left
      make();
    });
    runtime.files.rename(replacement, path);
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** A link's target; empty where the owner holds nothing. */
function targetOf({ addresses, netns }: Holding): string {
  const list = [...addresses].join(",");
  if (list === "" || !netns) return list;
  const target = `${list} ${netns.dev} ${netns.ino} ${netns.path}`;
  return new TextEncoder().encode(target).length <= MAX_TARGET ? target : list;
}

function noteOf(target: string): Note {
  const [, list, dev, ino, path] = /^(\S+) (\d+) (\d+) (.+)$/s.exec(target) ?? [];
  if (list === undefined) return { addresses: target.split(",") };
  return { addresses: list.split(","), netns: { path: path!, dev: Number(dev), ino: Number(ino) } };
}

/**
 * Names an owner's link: neither part can have a colon in it; an owner without interface is
 * `CONTAINER:`.
 */
function nameOf({ containerId, ifName }: Owner): string {
  return `${containerId}:${ifName}`;
}

function isFileName(name: string): boolean {
  return /^[a-zA-Z0-9][^/\0]*$/.test(name) && new TextEncoder().encode(name).length <= 255;
}
