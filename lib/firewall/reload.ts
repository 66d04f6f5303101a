/**
 * Putting rules back that somebody flushed: `firewall-cmd --reload`, `nft flush ruleset`.
 *
 * @module
 */
import { type Attachment } from "../types/attachment.ts";
import { attachmentHash } from "../ip/hash_names.ts";
import { runEach } from "./backend.ts";
import { restoreFilter } from "./filter/mod.ts";
import { recallEntries } from "./filter/entries.ts";
import { deadAttachments, lockRules } from "./notes/notes.ts";
import { restoreMasquerade } from "./masquerade/mod.ts";
import { restorePorts } from "./ports/mod.ts";

/** Something that was put back. */
export interface Restored {
  what: "masquerading" | "published ports" | "firewall rules";
  attachment: Attachment;
}

/**
 * Puts back what is noted and not there, for attachments that are alive: no DEL has come for them,
 * and their namespace is the one that it was. No ADD and no DEL happens meanwhile.
 * @param restored told of each thing that was put back
 * @throws {CniError} of what could not be put back; everything else was
 */
export async function restoreRules(restored: (what: Restored) => void): Promise<void> {
  using _lock = await lockRules();
  const dead = deadAttachments();
  const living = recallEntries().filter(({ attachment }) => !dead.has(attachmentHash(attachment)));
  const tell = (what: Restored["what"]) => (attachment: Attachment) =>
    restored({ what, attachment });
  await runEach([
    () => restoreMasquerade(dead, tell("masquerading")),
    () => restorePorts(dead, tell("published ports")),
    () => restoreFilter(living, tell("firewall rules")),
  ]);
}
