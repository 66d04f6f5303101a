/**
 * Reservations as the Go plugin keeps them, below `DATADIR/NETWORK/`:
 *
 * - a file per address, its name, holding `CONTAINER\r\nINTERFACE` (old ones `CONTAINER` only);
 * - `last_reserved_ip.N`, the address of set N that was given out last;
 * - `lock`, on which `flock(2)` is held around everything.
 *
 * The Go plugin finds an owner's files by reading all, in subdirectories too. The index that saves
 * this here is in another directory, see {@link OwnerIndex}.
 *
 * @module
 */
import { FileLock } from "../../../lib/host/lock.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { isGone, type RecordedNetNs } from "../../../lib/ns/recorded.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import { errnoCode, ifPresent, messageOf, unlessRefused } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeIfPresent } from "../../../lib/runtime/write_atomic.ts";
import { CniError } from "../../../lib/types/error.ts";
import { type Holding, type Note, OwnerIndex } from "./owner_index.ts";
import type { Owner, Reserved, Store } from "./store.ts";

/**
 * The temporary name of a file while it is written. One suffices, since only one process has the
 * lock. It is no address: a file that a killed process left is no reservation, and the next call
 * removes it.
 */
const TEMPORARY = ".writing";

/** The largest size of a reservation: container ID, separator and interface name. Bytes. */
const MAX_RESERVATION = 256;

/** Taken addresses in a row after which reading the whole directory is cheaper. */
const DIRECT_ATTEMPTS = 64;

/** Reservations below a directory, locked. @see Store */
export class DiskStore implements Store {
  readonly #dataDir: string;
  readonly #directory: string;
  readonly #lock: FileLock;
  readonly #index: OwnerIndex;
  /** Holdings by owner: of those whose reservations changed; of all once every file was read. */
  readonly #known = new Map<string, Holding>();
  #knowsAll = false;
  /** What the index says, by owner: nobody changes it while this store has the lock. */
  readonly #notes = new Map<string, Note>();
  /** Whether the known holdings, and the index for all others, agree with the files. */
  #indexIsValid = false;
  /** Whether this store has changed a directory's modification time. */
  #hasChanged = false;

  private constructor(dataDir: string, network: string, lock: FileLock) {
    this.#dataDir = dataDir;
    this.#directory = `${dataDir}/${network}`;
    this.#index = new OwnerIndex(dataDir, network);
    this.#lock = lock;
  }

  /**
   * Locks a network's reservations, making their directory where there is none.
   * @throws {CniError} code 11 when another process keeps the lock, 5 when the directory is not
   * usable
   */
  static async open(dataDir: string, network: string): Promise<DiskStore> {
    const path = `${dataDir}/${network}`;
    inDirectory(dataDir, () => {
      const isPresent = ifPresent(() => runtime.files.stat(path))?.isDirectory;
      if (!isPresent) runtime.files.makeDirectory(path, 0o755);
    });
    return await DiskStore.#open(dataDir, network);
  }

  /** As {@link DiskStore.open}; undefined where nothing was ever reserved. */
  static async openIfPresent(dataDir: string, network: string): Promise<DiskStore | undefined> {
    const isPresent = () => ifPresent(() => runtime.files.stat(`${dataDir}/${network}`));
    return inDirectory(dataDir, isPresent) ? await DiskStore.#open(dataDir, network) : undefined;
  }

  static async #open(dataDir: string, network: string): Promise<DiskStore> {
    return new DiskStore(dataDir, network, await FileLock.acquire(`${dataDir}/${network}/lock`));
  }

  heldBy(owner: Owner): IpAddress[] {
    return this.#work(() => this.#held(owner).addresses.map(IpAddress.parse));
  }

  holderOf(address: IpAddress): Owner | undefined {
    return inDirectory(this.#dataDir, () => this.#ownerOf(address.toString()));
  }

  reserve(candidates: Iterable<IpAddress>, owner: Owner): Reserved {
    // A complete file gets its name last: a process that is killed leaves a whole reservation or
    // none. A link, unlike a rename, replaces nothing.
    const text = `${owner.containerId}\r\n${owner.ifName}`;
    let made: IpAddress | undefined;
    try {
      return this.#withTemporary(text, { sync: true }, () => {
        const reserved = this.#linkFirst(candidates, owner);
        made = reserved.address;
        return reserved;
      });
    } catch (error) {
      // The temporary file could not be removed.
      if (made) this.release(made, owner);
      throw error;
    }
  }

  release(address: IpAddress, owner: Owner): void {
    this.#work(() => {
      const name = address.toString();
      if (this.#isOwner(name, owner)) this.#remove(name, owner);
    });
  }

  releaseAll(owner: Owner): void {
    this.#work(() => {
      const { addresses, owner: noted } = this.#held(owner);
      for (const name of addresses) this.#remove(name, noted);
    });
  }

  noteNetNs(owner: Owner, netns: RecordedNetNs): void {
    this.#work(() => {
      this.#hasChanged = true;
      this.#holdingOf(owner).netns = netns;
    });
  }

  isKnownGone(owner: Owner): boolean {
    return this.#work(() => {
      const { owner: noted, addresses } = this.#held(owner);
      const { netns } = this.#known.get(keyOf(noted)) ?? this.#noteOf(noted);
      return addresses.length > 0 && netns !== undefined && isGone(netns);
    });
  }

  lastReserved(setIndex: number): IpAddress | undefined {
    const text = inDirectory(this.#dataDir, () => this.#read(lastName(setIndex)));
    return text === undefined ? undefined : IpAddress.tryParse(text);
  }

  noteLastReserved(setIndex: number, address: IpAddress): void {
    const [name, text] = [lastName(setIndex), address.toString()];
    // Without fsync, and over the address before: the file only says where the search starts.
    if (this.#isOwnFile(name)) {
      this.#work(() => {
        this.#hasChanged = true;
        runtime.files.write(this.#path(name), text, { create: "never", over: true });
      });
      return;
    }
    this.#withTemporary(
      text,
      { sync: false, isRenamed: true },
      () => this.#renameTemporary(name),
    );
  }

  /** Lists every reservation with its owner, where one is noted. Reads all reservations. */
  all(): { address: IpAddress; owner?: Owner; sinceMs: number }[] {
    return inDirectory(this.#dataDir, () =>
      this.addresses().sort(byAddress).map((address) => {
        const name = address.toString();
        const { modifiedMs } = runtime.files.stat(this.#path(name));
        return { address, owner: this.#ownerOf(name), sinceMs: modifiedMs };
      }));
  }

  /** Releases an address of any owner. */
  free(address: IpAddress): void {
    this.#work(() => {
      const name = address.toString();
      const owner = this.#ownerOf(name);
      if (owner) this.#remove(name, owner);
      else this.#removeFile(name);
    });
  }

  addresses(): IpAddress[] {
    const names = inDirectory(this.#dataDir, () => this.#list());
    return names.flatMap((name) => IpAddress.tryParse(name) ?? []);
  }

  prune(keep: (owner: Owner) => boolean): void {
    this.#work(() => {
      for (const name of this.#names()) {
        const owner = this.#ownerOf(name);
        if (!owner) this.#removeFile(name);
        else if (!keep(owner)) this.#remove(name, owner);
      }
    });
  }

  /** Proves that a reservation could be written. @throws {CniError} code 5 */
  requireWritable(): void {
    // The largest reservation: an empty file fits onto a full disk.
    this.#withTemporary("-".repeat(MAX_RESERVATION), { sync: true }, () => {});
  }

  [Symbol.dispose](): void {
    using _lock = this.#lock; // Released whatever happens here.
    if (!this.#hasChanged || !this.#indexIsValid) return;
    this.#hasChanged = false;
    try {
      if (this.#knowsAll) this.#index.rebuild(this.#known.values());
      else for (const holding of this.#known.values()) this.#index.set(holding);
      const isFreed = [...this.#known.values()].some(({ addresses }) => addresses.size === 0);
      if (isFreed && this.#index.removeIfEmpty()) return;
      this.#index.stamp();
    } catch {
      // A full disk must not keep an address from being released. Without its stamp the index is
      // invalid, and rebuilt by a later call.
    }
  }

  /** Validates the holdings and runs `work`; an error names the directory. */
  #work<T>(work: () => T): T {
    return inDirectory(this.#dataDir, () => {
      if (!this.#indexIsValid && !this.#index.isCurrent()) this.#readAll();
      this.#indexIsValid = false; // until the work has come to its end
      const result = work();
      this.#indexIsValid = true;
      return result;
    });
  }

  /** Finds the addresses of an owner, and the owner as noted: old files name no interface. */
  #held(owner: Owner): { owner: Owner; addresses: string[] } {
    const old = { containerId: owner.containerId, ifName: "" };
    for (const noted of [owner, old]) {
      const addresses = this.#noted(noted);
      if (addresses.length > 0) return { owner: noted, addresses };
    }
    return { owner, addresses: [] };
  }

  #noted(owner: Owner): string[] {
    const known = this.#known.get(keyOf(owner));
    if (known) return [...known.addresses];
    const { addresses } = this.#noteOf(owner);
    if (addresses.every((name) => this.#isOwner(name, owner))) return [...addresses];
    // A file was rewritten in place.
    this.#readAll();
    return this.#noted(owner);
  }

  /** Reads the index's note of an owner that is not among the known. */
  #noteOf(owner: Owner): Note {
    if (this.#knowsAll) return { addresses: [] };
    const key = keyOf(owner);
    const note = this.#notes.get(key) ?? this.#index.get(owner);
    this.#notes.set(key, note);
    return note;
  }

  #readAll(): void {
    this.#hasChanged = true;
    this.#knowsAll = true;
    this.#known.clear();
    const names = this.#list();
    if (names.includes(TEMPORARY)) this.#removeFile(TEMPORARY);
    for (const name of names.filter(isAddress)) {
      const owner = this.#ownerOf(name);
      if (owner) this.#holdingOf(owner).addresses.add(name);
    }
  }

  /** Lists the names of all files that are reservations. */
  #names(): string[] {
    return this.#list().filter(isAddress);
  }

  #list(): string[] {
    return runtime.files.list(this.#directory);
  }

  #ownerOf(name: string): Owner | undefined {
    const text = this.#read(name);
    if (!text) return undefined;
    const [containerId = "", ifName = ""] = text.split("\r\n");
    return { containerId, ifName };
  }

  /** Reads a file; undefined for a missing one, and for what is no file: a FIFO has no end. */
  #read(name: string): string | undefined {
    const path = this.#path(name);
    try {
      if (!ifPresent(() => runtime.files.stat(path))?.isFile) return undefined;
    } catch (error) {
      if (errnoCode(error) === "ELOOP") return undefined;
      throw error;
    }
    return runtime.files.readText(path).trim();
  }

  /** Whether a file is there by itself: a link leads elsewhere, and a FIFO has nothing to write over. */
  #isOwnFile(name: string): boolean {
    const path = this.#path(name);
    return inDirectory(this.#dataDir, () => ifPresent(() => runtime.files.lstat(path)))?.isFile ??
      false;
  }

  #isOwner(name: string, owner: Owner): boolean {
    const holder = this.#ownerOf(name);
    return holder !== undefined && keyOf(holder) === keyOf(owner);
  }

  #linkFirst(candidates: Iterable<IpAddress>, owner: Owner): Reserved {
    // What it reads may fail: before there is a reservation.
    const { addresses } = this.#holdingOf(owner);
    let taken: Set<string> | undefined;
    let tried = 0;
    for (const address of candidates) {
      const name = address.toString();
      if (++tried === DIRECT_ATTEMPTS) taken = new Set(this.#list());
      if (taken?.has(name) || !this.#linkTemporary(name)) continue;
      addresses.add(name);
      return { address };
    }
    return { address: undefined, tried };
  }

  /** Finds or makes the holding of an owner, which is changed together with its files. */
  #holdingOf(owner: Owner): Holding {
    const key = keyOf(owner);
    let known = this.#known.get(key);
    if (!known) {
      const { addresses, netns } = this.#noteOf(owner);
      this.#known.set(key, known = { owner, addresses: new Set(addresses), netns });
    }
    return known;
  }

  #remove(name: string, owner: Owner): void {
    this.#removeFile(name);
    const holding = this.#holdingOf(owner);
    holding.addresses.delete(name);
    if (holding.addresses.size === 0) holding.netns = undefined;
  }

  /** Removes a file, or an empty directory of its name. Returns false for one that is not empty. */
  #removeFile(name: string): boolean {
    this.#hasChanged = true;
    try {
      removePresent(this.#path(name));
      return true;
    } catch (error) {
      if (!["EISDIR", "ENOTEMPTY"].includes(errnoCode(error) ?? "")) throw error;
      return false;
    }
  }

  /**
   * Writes the temporary file and works with it; afterwards it is gone, or has another name.
   * @param isRenamed `work` gives it that name
   */
  #withTemporary<T>(
    text: string,
    { sync, isRenamed = false }: { sync: boolean; isRenamed?: boolean },
    work: () => T,
  ): T {
    const path = this.#path(TEMPORARY);
    return this.#work(() => {
      this.#hasChanged = true;
      try {
        // Never an existing file: it may be a hard link of a reservation.
        runtime.files.write(path, text, { create: "new", mode: 0o600, sync });
        const result = work();
        if (!isRenamed) removePresent(path);
        return result;
      } catch (error) {
        removeIfPresent(path);
        throw error;
      }
    });
  }

  /**
   * Gives the temporary file its name, in the place of a file or an empty directory. A directory that
   * is not empty is somebody's, and stays: there is no such file then.
   */
  #renameTemporary(name: string): void {
    const [temporary, path] = [this.#path(TEMPORARY), this.#path(name)];
    const rename = () => runtime.files.rename(temporary, path);
    unlessRefused(rename, "EISDIR", () => {
      if (this.#removeFile(name)) return rename();
      removeIfPresent(temporary);
      warn(`host-local: ${path} is a directory that is not empty; move it away\n`);
    });
  }

  /** Links the temporary file to a name; false when there is a file of that name. */
  #linkTemporary(name: string): boolean {
    try {
      runtime.files.link(this.#path(TEMPORARY), this.#path(name));
      return true;
    } catch (error) {
      if (errnoCode(error) === "EEXIST") return false;
      throw error;
    }
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** Removes a file that is there, unless somebody else has just done so: to look first takes longer. */
function removePresent(path: string): void {
  ifPresent(() => runtime.files.remove(path));
}

function isAddress(name: string): boolean {
  return IpAddress.tryParse(name) !== undefined;
}

function byAddress(a: IpAddress, b: IpAddress): number {
  return a.family - b.family || a.compare(b);
}

function keyOf({ containerId, ifName }: Owner): string {
  return `${containerId}\r\n${ifName}`;
}

function lastName(setIndex: number): string {
  return `last_reserved_ip.${setIndex}`;
}

function inDirectory<T>(dataDir: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw CniError.io(
      `cannot use ${dataDir} for reservations: ${messageOf(error)}; ` +
        '"dataDir" must be a directory that this process may write to',
    );
  }
}
