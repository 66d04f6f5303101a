/**
 * Records on disk: a JSON object per file, in one directory for each kind, written atomically and
 * with the number of their format.
 *
 * One policy for files without a readable record (damaged, without permission, of a newer format):
 * they are named on standard error and skipped, and fail no operation on other records. But each
 * has an owner: {@link Records.unreadable} lists such files, and what several owners share stays
 * while there are any.
 *
 * @module
 */
import { errnoCode, ifPresent, messageOf, unlessRefused } from "../runtime/errors.ts";
import { ifExists } from "../runtime/if_exists.ts";
import { warn as warnCaller } from "../runtime/caller.ts";
import { runtime } from "../runtime/mod.ts";
import { removeIfPresent, removeWritten, writeAtomic } from "../runtime/write_atomic.ts";
import { CniError } from "../types/error.ts";
import { encodeJson, isObject, type JsonObject, parseJson } from "../types/json.ts";
import { readRegularFile } from "./regular_file.ts";

/** A kind of records: directory, file names and format. */
export interface RecordKind<T> {
  /** The directory, which may not exist yet. Other files may be in it. */
  readonly directory: string;
  /** What the file names of this kind end in, such as `.filter.json`. */
  readonly suffix: string;
  /** A record's description for messages: "the note of what is installed". */
  readonly what: string;
  /**
   * The number of the format that is written; files without a number are of format 0. Absent for
   * another program's format, which has no number.
   */
  readonly format?: number;
  /**
   * False: a record may be the one before, or none, after the machine lost power. True, the default:
   * once written it stays.
   */
  readonly sync?: boolean;
  /** Makes the JSON of a record, without the number of its format. */
  encode(record: T): JsonObject;
  /**
   * Reads a record.
   * @param value all of it but the number
   * @param format the file's, at most {@link RecordKind.format}
   * @throws {Error} saying what is wrong with it
   */
  decode(value: JsonObject, format: number): T;
}

/** The content of a store. */
export interface Records<T> {
  readonly records: readonly T[];
  /** Paths of files that hold no record that can be read. */
  readonly unreadable: readonly string[];
}

/** No writer takes so long, whatever the disk. Milliseconds. */
export const ABANDONED_MS = 60_000;

const FULL_DIRECTORY = "it is a directory that is not empty; move it away";

/** The key of a file that holds the number of its format. */
const FORMAT_KEY = "format";

/** The records of one kind. A caller that changes several, or shared ones, holds a lock. */
export class RecordStore<T> {
  readonly #kind: RecordKind<T>;
  /** Prints a warning. */
  readonly #warn: (text: string) => void;

  constructor(
    kind: RecordKind<T>,
    warn: (text: string) => void = (text) => warnCaller(`${text}\n`),
  ) {
    this.#kind = kind;
    this.#warn = warn;
  }

  /** The path of a record. Its name must be a valid file name. */
  path(name: string): string {
    return `${this.#kind.directory}/${name}${this.#kind.suffix}`;
  }

  /**
   * Writes a record; a file of the same name is replaced, readable or not.
   * @throws {CniError} code 5; the earlier file is then unchanged
   */
  write(name: string, record: T): void {
    const { directory, format, encode, what, sync } = this.#kind;
    const path = this.path(name);
    const text = encodeJson({
      ...(format === undefined ? {} : { [FORMAT_KEY]: format }),
      ...encode(record),
    });
    const write = () => writeAtomic(path, text, 0o600, { sync });
    try {
      runtime.files.makeDirectory(directory, 0o700);
      unlessRefused(write, "EISDIR", () => {
        if (!removeEmptyDirectory(path)) throw new Error(FULL_DIRECTORY);
        write();
      });
    } catch (error) {
      throw CniError.io(`cannot write ${what}, ${path}: ${messageOf(error)}`);
    }
  }

  /** Reads a record; undefined without a file, or where it has no readable record. */
  read(name: string): T | undefined {
    const path = this.path(name);
    const found = ifExists(path, () => this.#read(path));
    return found && "record" in found ? found.record : undefined;
  }

  /** Whether there is a file of that name, readable or not. */
  has(name: string): boolean {
    return runtime.files.exists(this.path(name));
  }

  /**
   * Removes a record, readable or not. A missing one is no error. A directory in its place that is not
   * empty is somebody else's, and stays.
   * @throws {CniError} code 5 when it cannot be removed
   */
  remove(name: string): void {
    const path = this.path(name);
    try {
      if (removeEmptyDirectory(path)) removeWritten(path);
      else this.#warn(`not removing ${path}: ${FULL_DIRECTORY}`);
    } catch (error) {
      throw CniError.io(`cannot remove ${this.#kind.what}, ${path}: ${messageOf(error)}`);
    }
  }

  /**
   * Expects for STATUS that a record could be written.
   * @throws {CniError} code 5
   */
  requireWritable(): void {
    const { directory, what } = this.#kind;
    // Of this name a killed process leaves what is swept.
    const path = `${this.path("status")}.tmp`;
    try {
      runtime.files.makeDirectory(directory, 0o700);
      try {
        runtime.files.write(path, "{}", { mode: 0o600 });
      } finally {
        removeIfPresent(path); // A full disk may have taken the name, and not the text.
      }
    } catch (error) {
      throw CniError.io(`cannot write ${what} in ${directory}: ${messageOf(error)}`);
    }
  }

  /**
   * Reads every record, in the order of file names.
   * @throws {CniError} code 5 when the directory is there and cannot be read
   */
  list(): Records<T> {
    const records: T[] = [];
    const unreadable: string[] = [];
    for (const path of this.#paths(this.#kind.suffix)) {
      const found = this.#read(path);
      if (!found) continue;
      if ("record" in found) records.push(found.record);
      else unreadable.push(path);
    }
    return { records, unreadable };
  }

  /**
   * Lists the names of all records, readable or not.
   * @throws as {@link RecordStore.list}
   */
  names(): string[] {
    const { directory, suffix } = this.#kind;
    return this.#paths(suffix)
      .map((path) => path.slice(directory.length + 1, path.length - suffix.length));
  }

  /**
   * Removes what killed writers left.
   * @param abandonedMs how long a file must not have been written to, in milliseconds; 0 for a caller
   * that holds the lock that writers hold
   */
  sweep(abandonedMs = 0): void {
    for (const path of this.#paths(`${this.#kind.suffix}.tmp`)) {
      try {
        // The calendar may have been set back since: who holds the lock need not ask.
        if (abandonedMs === 0 || isOlder(path, abandonedMs)) removeIfPresent(path);
      } catch (error) {
        const why = messageOf(error);
        this.#warn(`cannot remove ${path}, which a killed writer left: ${why}`);
      }
    }
  }

  /** The files whose name ends in `suffix`, by name. */
  #paths(suffix: string): string[] {
    const { directory, what } = this.#kind;
    try {
      const names = ifPresent(() => runtime.files.list(directory)) ?? [];
      return names.filter((name) => name.endsWith(suffix)).sort()
        .map((name) => `${directory}/${name}`);
    } catch (error) {
      throw CniError.io(`cannot read ${what} in ${directory}: ${messageOf(error)}`);
    }
  }

  #read(path: string): { record: T } | { unreadable: true } | undefined {
    const { what } = this.#kind;
    try {
      const text = ifPresent(() => readRegularFile(path));
      if (text === undefined) return undefined;
      const value = parseJson(text);
      if (!isObject(value)) throw new Error("it must hold an object");
      return { record: this.#decode(value) };
    } catch (error) {
      this.#warn(`passing over ${path}, which should hold ${what}: ${messageOf(error)}`);
      return { unreadable: true };
    }
  }

  #decode(value: JsonObject): T {
    const { format: newest, decode } = this.#kind;
    if (newest === undefined) return decode(value, 0);
    const { [FORMAT_KEY]: format = 0, ...rest } = value;
    if (typeof format !== "number" || !Number.isInteger(format) || format < 0) {
      throw new Error(`its "${FORMAT_KEY}" is no number`);
    }
    if (format > newest) {
      throw new Error(
        `it is of format ${format}, which a newer version wrote; this one reads up to ${newest}`,
      );
    }
    return decode(rest, format);
  }
}

/** Tells whether a file was last written to at least `ms` milliseconds ago. */
function isOlder(path: string, ms: number): boolean {
  const file = ifPresent(() => runtime.files.lstat(path));
  return file !== undefined && Date.now() - file.modifiedMs >= ms;
}

/** Removes an empty directory with the name of a record. @returns false for one with content */
function removeEmptyDirectory(path: string): boolean {
  const info = ifExists(path, () => runtime.files.lstat(path));
  if (!info?.isDirectory) return true;
  try {
    runtime.files.remove(path);
    return true;
  } catch (error) {
    if (errnoCode(error) === "ENOTEMPTY") return false;
    throw error;
  }
}
