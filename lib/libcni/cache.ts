/**
 * What is remembered about an attachment between its ADD and its DEL: one file each, in the Go
 * library's format and place, so that either can take over from the other.
 *
 * @module
 */
import { type Attachment, sameAttachment } from "../types/attachment.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import {
  encodeJson,
  isObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  sortKeys,
} from "../types/json.ts";
import { validateContainerId, validateIfName, validateNetworkName } from "../types/names.ts";
import { parseResult } from "../types/read_result.ts";
import type { Result } from "../types/result.ts";
import { ifPresent, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { removeWritten, writeAtomic } from "../runtime/write_atomic.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";

/** Where the Go library keeps its cache. */
export const DEFAULT_CACHE_DIR = "/var/lib/cni";

/** What a file says it is. */
const KIND = "cniCacheV1";

/** An attachment as the cache remembers it. */
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

/** The cache in one directory. */
export class Cache {
  readonly #directory: string;

  /** The files are in `results` under `directory`. */
  constructor(directory: string = DEFAULT_CACHE_DIR) {
    this.#directory = `${directory}/results`;
  }

  /**
   * The file of an attachment.
   * @throws {CniError} code 3, 4 or 7 for a name that cannot be part of a file's
   */
  path({ network, containerId, ifName }: Attachment): string {
    validateNetworkName(network);
    validateContainerId(containerId);
    validateIfName(ifName);
    return `${this.#directory}/${network}-${containerId}-${ifName}`;
  }

  /** Makes the directory. @throws {CniError} code 5 */
  prepare(): void {
    try {
      runtime.files.makeDirectory(this.#directory, 0o700);
    } catch (error) {
      throw CniError.io(`cannot make the cache directory ${this.#directory}: ${messageOf(error)}`);
    }
  }

  /** Remembers an attachment. @throws {CniError} code 5; the old file is then as it was */
  write(attachment: CachedAttachment): void {
    const path = this.path(attachment);
    this.prepare();
    try {
      writeAtomic(path, encodeEntry(attachment), 0o600);
    } catch (error) {
      throw CniError.io(`cannot write ${path}: ${messageOf(error)}`);
    }
  }

  /**
   * The attachment of that key; undefined when there is none, or when the file of that name is
   * another attachment's: `a-b` on `c` and `a` on `b-c` share one.
   *
   * @throws {CniError} code 5 when the file cannot be read, 6 when it is not a cache file.
   */
  read(key: Attachment): CachedAttachment | undefined {
    const path = this.path(key);
    const raw = readObject(path);
    if (raw === undefined) return undefined;
    if (raw.kind !== KIND) {
      const kind = typeof raw.kind === "string" ? quote(raw.kind) : "no kind";
      throw CniError.decode(`${path} has wrong kind: ${kind}, not ${quote(KIND)}`);
    }
    return sameAttachment(keyIn(raw), key) ? decodeEntry(raw) : undefined;
  }

  /**
   * The final result of an attachment; undefined when there is none. Files from before the format
   * had a kind hold nothing but a result.
   *
   * @throws {CniError} code 5 when the file cannot be read, 1 or 6 when it holds no result.
   */
  readResult(key: Attachment): Result | undefined {
    const raw = readObject(this.path(key));
    if (raw === undefined) return undefined;
    if (raw.kind !== KIND) return parseResult(raw, "");
    if (!sameAttachment(keyIn(raw), key) || raw.result === undefined) return undefined;
    return parseResult(raw.result, "");
  }

  /**
   * Forgets an attachment; a file of another one is left as it is.
   * @throws {Error} with `code` when the file cannot be removed
   */
  remove(key: Attachment): void {
    const path = this.path(key);
    let raw: JsonObject | undefined;
    try {
      raw = readObject(path);
    } catch {
      // Whatever it holds, it is of no use to anybody.
    }
    if (raw?.kind === KIND && !sameAttachment(keyIn(raw), key)) return;
    removeWritten(path);
  }

  /**
   * Every attachment, by file name. Files that hold none, or whose name is not theirs, are passed
   * over, as are those of other containers when `containerId` is given.
   *
   * @throws {CniError} code 5 when the directory is there but cannot be read
   */
  list(containerId = ""): CachedAttachment[] {
    let names: string[];
    try {
      names = ifPresent(() => runtime.files.list(this.#directory)) ?? [];
    } catch (error) {
      throw CniError.io(`cannot read the cache directory ${this.#directory}: ${messageOf(error)}`);
    }
    return names.sort().flatMap((name) => {
      const entry = readEntry(`${this.#directory}/${name}`);
      if (!entry || name !== `${entry.network}-${entry.containerId}-${entry.ifName}`) return [];
      return containerId === "" || entry.containerId === containerId ? [entry] : [];
    });
  }
}

function readEntry(path: string): CachedAttachment | undefined {
  try {
    const raw = readObject(path);
    return raw?.kind === KIND ? decodeEntry(raw) : undefined;
  } catch {
    return undefined; // Not ours, damaged, or gone meanwhile: no attachment to tell of.
  }
}

/** @throws {CniError} code 5 or 6 */
function readObject(path: string): JsonObject | undefined {
  let text: string | undefined;
  try {
    text = ifPresent(() => runtime.files.readText(path));
  } catch (error) {
    throw CniError.io(`cannot read ${path}: ${messageOf(error)}`);
  }
  if (text === undefined) return undefined;
  try {
    const value = parseJson(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw CniError.decode(`${path}: ${messageOf(error)}`);
  }
  throw CniError.decode(`${path}: it must hold an object`);
}

/** Compact, and with the keys in the order of the Go struct; inner objects are Go maps, sorted. */
function encodeEntry(entry: CachedAttachment): string {
  const { containerId, config, ifName, network, netns, args, capabilityArgs, result } = entry;
  return encodeJson({
    kind: KIND,
    containerId,
    config: encodeBase64(config),
    ifName,
    networkName: network,
    ...(netns ? { netns } : {}),
    ...(args.length > 0 ? { cniArgs: args } : {}),
    ...(Object.keys(capabilityArgs).length > 0 ? { capabilityArgs: sortKeys(capabilityArgs) } : {}),
    ...(result ? { result: sortKeys(result) } : {}),
  });
}

function keyIn(raw: JsonObject): Attachment {
  return {
    network: text(raw.networkName),
    containerId: text(raw.containerId),
    ifName: text(raw.ifName),
  };
}

function decodeEntry(raw: JsonObject): CachedAttachment {
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
