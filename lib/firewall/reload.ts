/**
 * Putting rules back that somebody flushed: `firewall-cmd --reload`, `nft flush ruleset`.
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

/** Something that was put back. */
export interface Restored {
  what: "masquerading" | "published ports" | "firewall rules";
  attachment: Attachment;
}

/**
 * Puts back what is noted and not there, for attachments that are alive: no DEL has come for them,
 * and their namespace is the one that it was. Of others, what the Go plugins' DEL or a flush left is
 * removed, and what is noted. No ADD and no DEL happens meanwhile.
 * @param restored told of each thing that was put back
 * @throws {CniError} of what could not be put back; everything else was
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
