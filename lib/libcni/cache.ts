/**
 * The cache of attachments, from ADD to DEL: a file each, in the Go library's format and directory,
 * so that either library reads the other's.
 *
 * @module
 */
import { type Attachment, sameAttachment } from "../types/attachment.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import { isObject, type JsonObject, type JsonValue, sortKeys } from "../types/json.ts";
import { validateContainerId, validateIfName, validateNetworkName } from "../types/names.ts";
import { parseResult } from "../types/read_result.ts";
import type { Result } from "../types/result.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { RecordStore } from "../state/record_store.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";

/** The directory of the Go library's cache. */
export const DEFAULT_CACHE_DIR = "/var/lib/cni";

/** The value of `kind` in a file. */
const KIND = "cniCacheV1";

/** An attachment in the cache. */
export interface CachedAttachment extends Attachment {
  /** The network's configuration list at the time of ADD, as text. */
  config: string;
  /** Path of the container's namespace, or "". */
  netns: string;
  /** CNI_ARGS. */
  args: [key: string, value: string][];
  /** Values for capabilities, by name. */
  capabilityArgs: JsonObject;
  /** The final result, as it was written; undefined where there is none. */
  result?: JsonObject;
}

/**
 * The content of a file: an attachment; in files from before the format had `kind`, only a result.
 */
type Entry = CachedAttachment | { result: JsonObject; network?: undefined };

/** The cache in one directory. */
export class Cache {
  readonly #directory: string;
  readonly #store: RecordStore<Entry>;

  /**
   * The files are in `results` under `directory`.
   * @param warn is told of files that cannot be read, which are passed over; standard error when
   * absent
   */
  constructor(directory: string = DEFAULT_CACHE_DIR, warn?: (text: string) => void) {
    this.#directory = `${directory}/results`;
    this.#store = new RecordStore<Entry>({
      directory: this.#directory,
      suffix: "",
      what: "what an ADD returned",
      encode: encodeEntry,
      decode: decodeEntry,
    }, warn);
  }

  /**
   * Returns the path of an attachment's file.
   * @throws {CniError} code 3, 4 or 7 for a name that cannot be part of a file's name
   */
  path(attachment: Attachment): string {
    return this.#store.path(nameOf(attachment));
  }

  /** Makes the directory. @throws {CniError} code 5 */
  prepare(): void {
    try {
      runtime.files.makeDirectory(this.#directory, 0o700);
    } catch (error) {
      throw CniError.io(`cannot make the cache directory ${this.#directory}: ${messageOf(error)}`);
    }
  }

  /** Writes an attachment. @throws {CniError} code 5; the old file is then as it was */
  write(attachment: CachedAttachment): void {
    this.#store.write(nameOf(attachment), attachment);
  }

  /**
   * Reads an attachment; undefined when there is none that can be read, or when the file of that
   * name is another attachment's: `a-b` on `c` and `a` on `b-c` share one.
   */
  read(key: Attachment): CachedAttachment | undefined {
    const entry = this.#store.read(nameOf(key));
    return entry?.network !== undefined && sameAttachment(entry, key) ? entry : undefined;
  }

  /**
   * Reads the final result of an attachment; undefined when there is none. Files from before the
   * format had `kind` hold nothing but a result.
   * @throws {CniError} code 1 or 6 when what is cached is no result
   */
  readResult(key: Attachment): Result | undefined {
    const entry = this.#store.read(nameOf(key));
    if (!entry?.result) return undefined;
    if (entry.network !== undefined && !sameAttachment(entry, key)) return undefined;
    return parseResult(entry.result, "");
  }

  /**
   * Removes what is cached of an attachment, be it readable or not; a file of another attachment
   * that has the same name is left as it is.
   * @throws {CniError} code 5 when the file cannot be removed
   */
  remove(key: Attachment): void {
    const name = nameOf(key);
    const entry = this.#store.read(name);
    const isAnothers = entry?.network !== undefined && !sameAttachment(entry, key) &&
      joined(entry) === name;
    if (!isAnothers) this.#store.remove(name);
  }

  /**
   * Lists every attachment, by file name. Files without one, or with another name than theirs, are
   * skipped, and with `containerId` those of other containers.
   *
   * @throws {CniError} code 5 when the directory is there but cannot be read
   */
  list(containerId = ""): CachedAttachment[] {
    return this.#store.names().flatMap((name) => {
      if (name.endsWith(UNFINISHED)) return [];
      const entry = this.#store.read(name);
      if (entry?.network === undefined || name !== joined(entry)) return [];
      return containerId === "" || entry.containerId === containerId ? [entry] : [];
    });
  }
}

/**
 * The suffix of files that are still being written, or whose writer was killed.
 */
const UNFINISHED = ".tmp";

/** Makes a file's name. @throws {CniError} code 3, 4 or 7 for a name that cannot be part of it */
function nameOf(attachment: Attachment): string {
  validateNetworkName(attachment.network);
  validateContainerId(attachment.containerId);
  validateIfName(attachment.ifName);
  return joined(attachment);
}

function joined({ network, containerId, ifName }: Attachment): string {
  return `${network}-${containerId}-${ifName}`;
}

/**
 * Encodes an entry with its keys in the order of the Go struct; inner objects are sorted, as Go
 * maps.
 */
function encodeEntry(entry: Entry): JsonObject {
  if (entry.network === undefined) return entry.result;
  const { containerId, config, ifName, network, netns, args, capabilityArgs, result } = entry;
  return {
    kind: KIND,
    containerId,
    config: encodeBase64(config),
    ifName,
    networkName: network,
    ...(netns ? { netns } : {}),
    ...(args.length > 0 ? { cniArgs: args } : {}),
    ...(Object.keys(capabilityArgs).length > 0 ? { capabilityArgs: sortKeys(capabilityArgs) } : {}),
    ...(result ? { result: sortKeys(result) } : {}),
  };
}

function keyIn(raw: JsonObject): Attachment {
  return {
    network: text(raw.networkName),
    containerId: text(raw.containerId),
    ifName: text(raw.ifName),
  };
}

/** Decodes an entry. @throws {Error} for a file of another kind */
function decodeEntry(raw: JsonObject): Entry {
  if (raw.kind === undefined) return { result: raw };
  if (raw.kind !== KIND) {
    const kind = typeof raw.kind === "string" ? quote(raw.kind) : "no kind";
    throw new Error(`it has the wrong kind: ${kind}, not ${quote(KIND)}`);
  }
  return {
    ...keyIn(raw),
    config: decodeBase64(text(raw.config)),
    netns: text(raw.netns),
    args: Array.isArray(raw.cniArgs) ? raw.cniArgs.filter(isPair) : [],
    capabilityArgs: isObject(raw.capabilityArgs) ? raw.capabilityArgs : {},
    ...(isObject(raw.result) ? { result: raw.result } : {}),
  };
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 &&
    value.every((item) => typeof item === "string");
}
