/**
 * What an ADD found before it changed it, kept in a file until DEL. The file is the Go plugin's:
 * its name, its place and its keys, and more keys that the Go plugin passes over.
 *
 * @module
 */
import { mac } from "../../../lib/ip/schema.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { RecordStore } from "../../../lib/state/record_store.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { JsonObject } from "../../../lib/types/json.ts";
import { readValue } from "../../../lib/types/options.ts";
import { boolean, goObject, integer, optional, string } from "../../../lib/types/schema.ts";
import { type LinkSettings, sysctlTable } from "./config.ts";
import { isBelowNet } from "./sysctls.ts";

/** The values that were there before. */
export interface Backup {
  link: LinkSettings;
  /** The MTU of the host's end of the pair, where that changes too. Bytes. */
  hostMtu?: number;
  /** Path below /proc/sys to value. */
  sysctl: Record<string, string>;
  /** The network's name, by which GC knows the files that are its own. */
  network: string;
}

/**
 * Keeps the values until DEL. What an earlier ADD kept, and no DEL has restored, was there before:
 * it stays.
 * @throws {CniError} code 5 naming the file
 */
export function writeBackup(directory: string, attachment: Attachment, backup: Backup): void {
  const store = storeIn(directory);
  const name = nameOf(attachment);
  const earlier = store.read(name);
  try {
    store.write(name, {
      ...backup,
      hostMtu: earlier?.hostMtu ?? backup.hostMtu,
      link: { ...backup.link, ...earlier?.link },
      // In the order in which they are changed.
      sysctl: { ...earlier?.sysctl, ...backup.sysctl, ...earlier?.sysctl },
    });
  } catch (error) {
    throw CniError.io(
      `${messageOf(error)}; "dataDir" must name a directory that can be written to`,
    );
  }
}

/** The backup of one attachment, the Go plugin's too; undefined when there is none to restore. */
export function readBackup(directory: string, attachment: Attachment): Backup | undefined {
  return storeIn(directory).read(nameOf(attachment));
}

/** Removes the backup of one attachment; none there is fine. */
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
  const keep = new Set(valid.map(nameOf));
  for (const name of store.names()) {
    // The Go plugin's files do not say whose they are.
    if (!keep.has(name) && store.read(name)?.network === network) store.remove(name);
  }
}

/** The Go plugin's name for the file. */
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
