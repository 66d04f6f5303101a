/**
 * The values from before an ADD, kept in a file until DEL. Name, directory and keys are the Go
 * plugin's, which ignores the additional keys.
 *
 * @module
 */
import { mac } from "../../../lib/ip/schema.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { ABANDONED_MS, RecordStore } from "../../../lib/state/record_store.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { JsonObject } from "../../../lib/types/json.ts";
import { readValue } from "../../../lib/types/options.ts";
import { boolean, goObject, integer, optional, string } from "../../../lib/types/schema.ts";
import { type LinkSettings, sysctlTable } from "./config.ts";
import { isBelowNet } from "./sysctls.ts";

/** The values from before an ADD. */
export interface Backup {
  link: LinkSettings;
  /** The MTU of the host's end of the pair, where that changes too. Bytes. */
  hostMtu?: number;
  /** Path relative to /proc/sys, to value. */
  sysctl: Record<string, string>;
  /** The network's name, by which GC selects files. */
  network: string;
}

/**
 * Writes a backup. Values of an earlier ADD that no DEL has restored are the older ones, and stay.
 * @returns the backup of the earlier ADD
 * @throws {CniError} code 5 naming the file
 */
export function writeBackup(
  directory: string,
  attachment: Attachment,
  backup: Backup,
): Backup | undefined {
  const earlier = readBackup(directory, attachment);
  replaceBackup(directory, attachment, {
    ...backup,
    hostMtu: earlier?.hostMtu ?? backup.hostMtu,
    link: { ...backup.link, ...earlier?.link },
    // In the order in which they are changed.
    sysctl: { ...earlier?.sysctl, ...backup.sysctl, ...earlier?.sysctl },
  });
  return earlier;
}

/** Expects for STATUS that backups can be written. @throws {CniError} code 5 */
export function requireBackups(directory: string): void {
  expectDataDir(() => storeIn(directory).requireWritable());
}

/** Writes a backup in the place of the earlier one. @throws {CniError} code 5 naming the file */
export function replaceBackup(directory: string, attachment: Attachment, backup: Backup): void {
  expectDataDir(() => storeIn(directory).write(nameOf(attachment), backup));
}

function expectDataDir(work: () => void): void {
  try {
    work();
  } catch (error) {
    throw CniError.io(
      `${messageOf(error)}; "dataDir" must name a directory that can be written to`,
    );
  }
}

/** Reads the backup of an attachment, the Go plugin's too; undefined without one. */
export function readBackup(directory: string, attachment: Attachment): Backup | undefined {
  return storeIn(directory).read(nameOf(attachment));
}

/** Removes the backup of an attachment; a missing one is no error. */
export function removeBackup(directory: string, attachment: Attachment): void {
  storeIn(directory).remove(nameOf(attachment));
}

/** Removes a network's backups but those of valid attachments. */
export function removeStaleBackups(
  directory: string,
  network: string,
  valid: readonly Attachment[],
): void {
  const store = storeIn(directory);
  store.sweep(ABANDONED_MS);
  const keep = new Set(valid.map(nameOf));
  for (const name of store.names()) {
    // The Go plugin's files do not name their network.
    if (!keep.has(name) && store.read(name)?.network === network) store.remove(name);
  }
}

/** The file's name, as in the Go plugin. */
function nameOf({ containerId, ifName }: Attachment): string {
  return `${containerId}_${ifName}`;
}

function storeIn(directory: string): RecordStore<Backup> {
  return new RecordStore<Backup>({
    directory,
    suffix: ".json",
    what: "the values to restore",
    format: 1,
    encode: ({ link, hostMtu, sysctl, network }) => ({
      ...link as JsonObject,
      ...(hostMtu === undefined ? {} : { hostMtu }),
      sysctl,
      network,
    }),
    decode(value) {
      const { network = "", sysctl = {}, hostMtu, ...link } = readValue(
        schema(),
        value,
        (problems) => new Error(problems),
      );
      const outside = Object.keys(sysctl).find((key) => !isBelowNet(key));
      if (outside !== undefined) throw new Error(`${JSON.stringify(outside)} is not below "net"`);
      return { link, hostMtu, sysctl, network };
    },
  });
}

const schema = () =>
  goObject({
    mac: optional(mac()),
    promisc: optional(boolean()),
    mtu: optional(integer()),
    allmulti: optional(boolean()),
    txQLen: optional(integer()),
    hostMtu: optional(integer()),
    sysctl: optional(sysctlTable()),
    network: optional(string()),
  });
