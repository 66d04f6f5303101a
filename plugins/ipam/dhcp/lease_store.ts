import { FileLock } from "../../../lib/host/lock.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeIfPresent, removeWritten, writeAtomic } from "../../../lib/runtime/write_atomic.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, isObject, parseJson } from "../../../lib/types/json.ts";
import type { Configuration6 } from "./v6/configuration.ts";
import type { Configuration4 } from "./v4/client.ts";
import type { Place } from "./interface.ts";
import type { Key, Wishes } from "./protocol.ts";

/** The form of what is on disk. */
const FORMAT = 1;

/** A lease on disk: all that a daemon needs that was not there when it began. */
export interface StoredLease {
  format: typeof FORMAT;
  /** Which start of this machine its times count from. */
  boot: string;
  key: Key;
  place: Place;
  /** The interface's hardware address when it was last looked at. */
  mac: string;
  wishes: Wishes;
  v4?: Configuration4;
  v6?: Configuration6;
}

/** What a daemon says of a lease; the rest of what is on disk is the store's own. */
export type LeaseState = Omit<StoredLease, "format" | "boot">;

/** One file per lease in a directory that one daemon has for itself. */
export class LeaseStore implements Disposable {
  readonly #lock: FileLock;
  readonly #boot = runtime.files.readText("/proc/sys/kernel/random/boot_id").trim();

  private constructor(private readonly directory: string, lock: FileLock) {
    this.#lock = lock;
  }

  /** @throws {CniError} code 5 when the directory is not usable, 11 when another daemon has it */
  static async open(directory: string): Promise<LeaseStore> {
    try {
      runtime.files.makeDirectory(directory, 0o700);
    } catch (error) {
      throw CniError.io(`cannot keep leases in ${directory}: ${messageOf(error)}`);
    }
    const lock = await FileLock.acquire(`${directory}/lock`, { deadlineMs: 1000 });
    return new LeaseStore(directory, lock);
  }

  save(lease: LeaseState): void {
    const stored: StoredLease = { format: FORMAT, boot: this.#boot, ...lease };
    const text = encodeJson(stored);
    writeAtomic(this.#path(lease.key), text);
  }

  remove(key: Key): void {
    removeWritten(this.#path(key));
  }

  /**
   * All leases since this machine's start; no interface has outlived that.
   * @param damaged is told of files that hold none; they are left where they are
   */
  load(damaged: (path: string, why: string) => void): LeaseState[] {
    const leases: LeaseState[] = [];
    for (const name of runtime.files.list(this.directory)) {
      const path = `${this.directory}/${name}`;
      // Of a daemon that was killed while it wrote.
      if (name.endsWith(".tmp")) removeIfPresent(path);
      if (!name.endsWith(".json")) continue;
      try {
        const lease = read(runtime.files.readText(path));
        if (lease.boot === this.#boot) leases.push(lease);
        else this.remove(lease.key);
      } catch (error) {
        damaged(path, messageOf(error));
      }
    }
    return leases;
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  /** Names of containers and networks may be too long for a file's name together. */
  #path({ containerId, network, ifName }: Key): string {
    return `${this.directory}/${
      runtime.sha512Hex(`${containerId}/${network}/${ifName}`).slice(0, 32)
    }.json`;
  }
}

function read(text: string): StoredLease {
  const value = parseJson(text);
  const parts = ["key", "place", "wishes"];
  if (
    isObject(value) && value.format === FORMAT && parts.every((name) => isObject(value[name]))
  ) {
    return value as unknown as StoredLease;
  }
  throw new Error(`no lease of format ${FORMAT}`);
}
