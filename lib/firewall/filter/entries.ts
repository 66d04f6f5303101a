/** What may be sent to and from attachments, as it is kept on disk. */
import { IpAddress } from "../../ip/address.ts";
import type { JsonObject } from "../../types/json.ts";
import type { Attachment } from "../../types/attachment.ts";
import { forget, recall, recallAll, remember } from "../notes/notes.ts";
import type { FilterEntry } from "./types.ts";

/** Keeps an entry on disk. */
export function rememberEntry({ attachment, ips, netns, ...rest }: FilterEntry): void {
  remember("filter", attachment, { ...rest, netns: { ...netns }, ips: ips.map(String) });
}

/** Removes an entry from disk. */
export function forgetEntry(attachment: Attachment): void {
  forget("filter", attachment);
}

/** The entry of an attachment; undefined when there is none. */
export function recallEntry(attachment: Attachment): FilterEntry | undefined {
  const noted = recall("filter", attachment);
  return noted && fromJson(noted);
}

/** All entries. */
export function recallEntries(): FilterEntry[] {
  return recallAll("filter").map(fromJson);
}

/** These files are written here and nowhere else: what is in them has the types it had. */
function fromJson(noted: JsonObject): FilterEntry {
  const { network, containerId, ifName, ips, ...rest } = noted as unknown as
    & Attachment
    & Omit<FilterEntry, "attachment" | "ips">
    & { ips: string[] };
  return {
    ...rest,
    attachment: { network, containerId, ifName },
    ips: ips.map((text) => IpAddress.parse(text)),
  };
}
