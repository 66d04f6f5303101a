/**
 * Putting rules back that somebody flushed: `firewall-cmd --reload`, `nft flush ruleset`.
 *
 * @module
 */
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { type Attachment, attachmentHash } from "./attachment.ts";
import { missingOfFilter, restoreFilter } from "./filter.ts";
import { type FilterEntry, recallEntries } from "./filter_entry.ts";
import { lockRules } from "./installed.ts";
import { restoreMasquerade } from "./masquerade.ts";
import { restorePorts } from "./portmap.ts";

/** Something that was put back. */
export interface Restored {
  what: "masquerading" | "published ports" | "firewall rules";
  attachment: Attachment;
}

/**
 * Puts back what is noted and not there, for attachments that are alive: no DEL has come for them,
 * and their namespace is the one that it was. No ADD and no DEL happens meanwhile.
 * @throws {CniError} of the first that could not be put back
 */
export async function restoreRules(): Promise<Restored[]> {
  using _lock = await lockRules();
  const filters = recallEntries();
  const dead = new Set(filters.filter((f) => !isAlive(f)).map((f) => attachmentHash(f.attachment)));
  const living = filters.filter(({ attachment }) => !dead.has(attachmentHash(attachment)));
  const masqueraded = await restoreMasquerade(dead);
  const published = await restorePorts(dead);
  const filtered: Attachment[] = [];
  for (const entry of living) {
    if (await missingOfFilter(entry) !== undefined) filtered.push(entry.attachment);
  }
  if (filtered.length > 0) await restoreFilter(living);
  const restored = (what: Restored["what"], list: readonly Attachment[]) =>
    list.map((attachment) => ({ what, attachment }));
  return [
    ...restored("masquerading", masqueraded),
    ...restored("published ports", published),
    ...restored("firewall rules", filtered),
  ];
}

/** A path may lead to another namespace by now: numbers of processes are used again. */
function isAlive({ netns }: FilterEntry): boolean {
  const file = ifPresent(() => runtime.files.stat(netns.path));
  return file !== undefined && file.dev === netns.dev && file.ino === netns.ino;
}
