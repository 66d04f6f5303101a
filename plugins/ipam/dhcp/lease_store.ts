import { FileLock } from "../../../lib/host/lock.ts";
import { sha512Hex } from "../../../lib/ip/sha512.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeWritten, writeAtomic } from "../../../lib/runtime/write_atomic.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, isObject, parseJson } from "../../../lib/types/json.ts";
import type { Configuration6 } from "./v6/client.ts";
import type { Configuration4 } from "./v4/client.ts";
import type { Place } from "./interface.ts";
import type { Key, Wishes } from "./protocol.ts";

/** The form of what is on disk. */
const FORMAT = 1;

/** A lease on disk: all that a daemon needs that was not there when it began. */
export interface StoredLease {
  format: typeof FORMAT;
  key: Key;
  place: Place;
  /** The interface's hardware address when it was last looked at. */
  mac: string;
  wishes: Wishes;
  v4?: Configuration4;
  v6?: Configuration6;
}

/** One file per lease in a directory that one daemon has for itself. */
export class LeaseStore implements Disposable {
  readonly #lock: FileLock;

  /** @throws {CniError} code 5 when the directory is not usable, 11 when another daemon has it */
  constructor(private readonly directory: string) {
    try {
      runtime.files.makeDirectory(directory, 0o700);
    } catch (error) {
      throw CniError.io(`cannot keep leases in ${directory}: ${messageOf(error)}`);
    }
    this.#lock = FileLock.acquire(`${directory}/lock`, { deadlineMs: 1000 });
  }

  save(lease: Omit<StoredLease, "format">): void {
    const text = encodeJson({ format: FORMAT, ...lease } satisfies StoredLease);
    writeAtomic(this.#path(lease.key), text);
  }

  remove(key: Key): void {
    removeWritten(this.#path(key));
  }

  /** All leases. @param damaged is told of files that hold none; they are left where they are */
  load(damaged: (path: string, why: string) => void): StoredLease[] {
    const leases: StoredLease[] = [];
    for (const name of runtime.files.list(this.directory)) {
      if (!name.endsWith(".json")) continue;
      const path = `${this.directory}/${name}`;
      try {
        leases.push(read(runtime.files.readText(path)));
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
      sha512Hex(`${containerId}/${network}/${ifName}`).slice(0, 32)
    }.json`;
  }
}

function read(text: string): StoredLease {
  const value = parseJson(text);
  if (isObject(value) && value.format === FORMAT && isObject(value.key) && isObject(value.place)) {
    return value as unknown as StoredLease;
  }
  throw new Error(`no lease of format ${FORMAT}`);
}
