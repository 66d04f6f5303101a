/**
 * What an ADD found before it changed it, kept in a file until DEL. The file is the Go plugin's:
 * its name, its place and its keys, and two more keys that the Go plugin passes over.
 *
 * @module
 */
import { mac } from "../../../lib/ip/schema.ts";
import { ifPresent, messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeWritten, writeAtomic } from "../../../lib/runtime/write_atomic.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, type JsonValue, parseJson } from "../../../lib/types/json.ts";
import { readValue } from "../../../lib/types/options.ts";
import { boolean, goObject, integer, optional, string } from "../../../lib/types/schema.ts";
import { type LinkSettings, sysctlTable } from "./config.ts";
import { isBelowNet } from "./sysctls.ts";

/** The values that were there before. */
export interface Backup {
  link: LinkSettings;
  /** Path below /proc/sys to value. */
  sysctl: Record<string, string>;
  /** The network's name, by which GC knows the files that are its own. */
  network: string;
}

/** The file of one attachment. */
export function backupPath(directory: string, attachment: Attachment): string {
  return `${directory}/${fileName(attachment)}`;
}

function fileName({ containerId, ifName }: Attachment): string {
  return `${containerId}_${ifName}.json`;
}

/**
 * Keeps the values until DEL. What an earlier ADD kept, and no DEL has restored, was there before:
 * it stays.
 * @throws {CniError} code 5 naming the file
 */
export function writeBackup(path: string, { link, sysctl, network }: Backup): void {
  const earlier = readEarlier(path);
  const values = {
    ...link,
    ...earlier?.link,
    // In the order in which they are changed.
    sysctl: { ...earlier?.sysctl, ...sysctl, ...earlier?.sysctl },
    network,
  };
  try {
    runtime.files.makeDirectory(path.slice(0, path.lastIndexOf("/")), 0o700);
    writeAtomic(path, encodeJson(values, 1));
  } catch (error) {
    throw CniError.io(
      `cannot keep the values to restore in ${path}: ${messageOf(error)}; "dataDir" must name a ` +
        "directory that can be written to",
    );
  }
}

/** A file that holds nothing to restore, damaged or somebody else's, gives way. */
function readEarlier(path: string): Backup | undefined {
  try {
    return readBackup(path);
  } catch {
    return undefined;
  }
}

/**
 * The backup of one attachment, the Go plugin's too; undefined when there is none.
 * @throws {CniError} code 6 for a file that is none
 */
export function readBackup(path: string): Backup | undefined {
  const text = ifPresent(() => runtime.files.readText(path));
  if (text === undefined) return undefined;
  let value: JsonValue;
  try {
    value = parseJson(text);
  } catch (error) {
    throw damaged(path, messageOf(error));
  }
  const { network = "", sysctl = {}, ...link } = readValue(
    schema(),
    value,
    (problems) => damaged(path, problems),
  );
  const outside = Object.keys(sysctl).find((key) => !isBelowNet(key));
  if (outside !== undefined) throw damaged(path, `${JSON.stringify(outside)} is not below "net"`);
  return { link, sysctl, network };
}

const schema = () =>
  goObject({
    mac: optional(mac()),
    promisc: optional(boolean()),
    mtu: optional(integer()),
    allmulti: optional(boolean()),
    txQLen: optional(integer()),
    sysctl: optional(sysctlTable()),
    network: optional(string()),
  });

/** Removes a network's backups but those of valid attachments. */
export function removeStaleBackups(
  directory: string,
  network: string,
  valid: readonly Attachment[],
): void {
  const keep = new Set(valid.map(fileName));
  for (const name of ifPresent(() => runtime.files.list(directory)) ?? []) {
    if (!name.endsWith(".json") || keep.has(name)) continue;
    const path = `${directory}/${name}`;
    // The Go plugin's files do not say whose they are.
    if (readEarlier(path)?.network === network) removeWritten(path);
  }
}

function damaged(path: string, why: string): CniError {
  return CniError.decode(
    `cannot restore what is kept in ${path}: ${why}; the file is removed, and the interface keeps ` +
      "its values",
  );
}
