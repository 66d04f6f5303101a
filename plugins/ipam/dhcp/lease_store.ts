import { FileLock } from "../../../lib/host/lock.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { RecordStore } from "../../../lib/state/record_store.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import {
  decodeLease,
  encodeLease,
  FORMAT,
  type LeaseRecord,
  type LeaseState,
} from "./lease_record.ts";

/** One record per lease in a directory that one daemon has for itself. */
export class LeaseStore implements Disposable {
  readonly #lock: FileLock;
  readonly #records: RecordStore<LeaseRecord>;
  readonly #boot = runtime.files.readText("/proc/sys/kernel/random/boot_id").trim();

  private constructor(directory: string, lock: FileLock, warn: (text: string) => void) {
    this.#lock = lock;
    this.#records = new RecordStore({
      directory,
      suffix: ".json",
      what: "a DHCP lease",
      format: FORMAT,
      encode: encodeLease,
      decode: decodeLease,
    }, warn);
  }

  /**
   * Opens the store of a directory, which is made where there is none.
   * @param warn is told of files that hold no lease
   * @throws {CniError} code 5 when the directory is not usable, 11 when another daemon has it
   */
  static async open(directory: string, warn: (text: string) => void): Promise<LeaseStore> {
    try {
      runtime.files.makeDirectory(directory, 0o700);
    } catch (error) {
      throw CniError.io(`cannot keep leases in ${directory}: ${messageOf(error)}`);
    }
    const lock = await FileLock.acquire(`${directory}/lock`, { deadlineMs: 1000 });
    return new LeaseStore(directory, lock, warn);
  }

  /** Writes a lease's record, in the place of an earlier one. @throws {CniError} code 5 */
  save(lease: LeaseState): void {
    this.#records.write(nameOf(lease.attachment), { boot: this.#boot, ...lease });
  }

  /** Removes an attachment's record; one that is not there is fine. @throws {CniError} code 5 */
  remove(attachment: Attachment): void {
    this.#records.remove(nameOf(attachment));
  }

  /**
   * Reads all leases since this machine's start, which no interface outlives. Files that hold none
   * are left where they are: DEL of their attachment removes them.
   */
  load(): LeaseState[] {
    this.#records.sweep();
    return this.#records.list().records.filter(({ boot, attachment }) => {
      if (boot !== this.#boot) this.remove(attachment);
      return boot === this.#boot;
    });
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

/** A file's name: those of a container and a network may be too long for one together. */
function nameOf({ containerId, network, ifName }: Attachment): string {
  return runtime.sha512Hex(`${containerId}/${network}/${ifName}`).slice(0, 32);
}
