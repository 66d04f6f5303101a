/** The record of an installation, `DIR/.cni/installed.json`. */
import type { RecordKind } from "../state/record_store.ts";
import { RecordStore } from "../state/record_store.ts";
import { INSTALLATION } from "../skel/renamed.ts";
import { CniError } from "../types/error.ts";
import { isObject, type JsonObject, type JsonValue } from "../types/json.ts";
import type { Fingerprint } from "./content.ts";

/** What an installation wrote into a directory. */
export interface Installed {
  /** The version that wrote it. */
  readonly version: string;
  /**
   * The fingerprints of its files. While an installation is under way, or after it was killed,
   * those of the previous version and of the new one.
   */
  readonly files: readonly Fingerprint[];
  /** The names of its files and symbolic links. */
  readonly names: readonly string[];
}

/** Tells whether two records say the same. */
export function sameRecord(a: Installed, b: Installed): boolean {
  return JSON.stringify(encode(a)) === JSON.stringify(encode(b));
}

/** The record's name: each directory has one record. */
const NAME = "installed";

/** The record of the installation in one directory. */
export class InstallationRecord {
  readonly #store: RecordStore<Installed>;

  /** @param directory that of the executables */
  constructor(directory: string) {
    this.#store = new RecordStore(kindIn(directory));
  }

  /**
   * Reads the record; undefined where nothing was installed.
   * @throws {CniError} code 5 when there is one that cannot be read
   */
  read(): Installed | undefined {
    const record = this.#store.read(NAME);
    if (record === undefined && this.#store.has(NAME)) {
      const path = this.#store.path(NAME);
      const before = path.replace(/[^/]*$/, "before");
      throw CniError.io(
        `${path} says what was installed here, and cannot be read; nothing was changed`,
        "a newer version's record is read by that version's cni. Where it is damaged: what was " +
          `here before the installation is in ${before}`,
      );
    }
    return record;
  }

  /** Writes the record. @throws as {@link RecordStore.write} */
  write(record: Installed): void {
    this.#store.write(NAME, record);
  }

  /** Removes the record. @throws as {@link RecordStore.remove} */
  remove(): void {
    this.#store.remove(NAME);
  }
}

function kindIn(directory: string): RecordKind<Installed> {
  return {
    directory: `${directory}/${INSTALLATION}`,
    suffix: ".json",
    what: "the record of what was installed",
    format: 1,
    encode,
    decode: ({ version, files, names }) => {
      if (typeof version !== "string") throw new Error('its "version" must be a string');
      return {
        version,
        files: listOf(files, "files").map(readFingerprint),
        names: listOf(names, "names").map(readFileName),
      };
    },
  };
}

function encode({ version, files, names }: Installed): JsonObject {
  return { version, files: files.map(({ size, head }) => ({ size, head })), names: [...names] };
}

function listOf(value: JsonValue | undefined, key: string): JsonValue[] {
  if (Array.isArray(value)) return value;
  throw new Error(`its ${JSON.stringify(key)} must be a list`);
}

function readFingerprint(value: JsonValue): Fingerprint {
  const { size, head } = isObject(value) ? value : {};
  if (typeof size === "number" && typeof head === "string") return { size, head };
  throw new Error('each of its "files" must have a "size" and a "head"');
}

/** Reads the name of a file in the directory, which must not lead out of it. */
function readFileName(value: JsonValue): string {
  if (typeof value === "string" && /^[^./\0][^/\0]*$/.test(value)) return value;
  throw new Error(`its "names" must be names of files, not ${JSON.stringify(value)}`);
}
