/**
 * Restores rules that were flushed: by `firewall-cmd --reload`, `nft flush ruleset`.
 *
 * @module
 */
import { type Attachment } from "../types/attachment.ts";
import { attachmentHash } from "../ip/hash_names.ts";
import { isGone } from "../ns/recorded.ts";
import { runEach } from "./backend.ts";
import { restoreFilter } from "./filter/mod.ts";
import { filterNotes } from "./filter/notes.ts";
import { restoreMasquerade } from "./masquerade/mod.ts";
import { masqueradeNotes } from "./masquerade/notes.ts";
import { lockRules } from "./notes/lock.ts";
import type { Note } from "./notes/note_store.ts";
import { restorePorts } from "./ports/mod.ts";
import { portsNotes } from "./ports/notes.ts";

/** Rules that were restored. */
export interface Restored {
  what: "masquerading" | "published ports" | "firewall rules";
  attachment: Attachment;
}

/**
 * Restores missing rules from the notes of attachments that still exist: no DEL has come for them,
 * and their namespace is the same. The notes of others, and rules that the Go plugins' DEL or a
 * flush left of them, are removed. Holds the lock of the rules.
 * @param restored called with each restored part
 * @throws {CniError} naming what could not be restored; everything else was
 */
export async function restoreRules(restored: (what: Restored) => void): Promise<void> {
  using _lock = await lockRules();
  const masqueraded = masqueradeNotes().list().records;
  const published = portsNotes().list().records;
  const filtered = filterNotes().list();
  const all: readonly Note[] = [...masqueraded, ...published, ...filtered.records];
  const gone = new Set(
    all.filter(({ netns }) => netns && isGone(netns)).map((note) =>
      attachmentHash(note.attachment)
    ),
  );
  const containerIsGone = ({ attachment }: Note) => gone.has(attachmentHash(attachment));
  const tell = (what: Restored["what"]) => (attachment: Attachment) =>
    restored({ what, attachment });
  await runEach([
    () => restoreMasquerade(masqueraded, containerIsGone, tell("masquerading")),
    () => restorePorts(published, containerIsGone, tell("published ports")),
    () => restoreFilter(filtered, containerIsGone, tell("firewall rules")),
  ]);
}
