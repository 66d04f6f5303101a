/** The notes of masqueraded attachments on disk. */
import { Cidr } from "../../ip/cidr.ts";
import { type Backend, BACKENDS } from "../backend_names.ts";
import { type Note, NoteStore, wordOf } from "../notes/note_store.ts";
import type { Masqueraded } from "./types.ts";

/** The masqueraded addresses of an attachment, and their backend. */
export interface MasqueradeNote extends Masqueraded, Note {
  backend: Backend;
}

/** Opens the notes of all attachments. */
export function masqueradeNotes(): NoteStore<MasqueradeNote> {
  return new NoteStore<MasqueradeNote>({
    name: "masquerade",
    format: 1,
    keys: ["backend", "ips"],
    encode: ({ backend, ips }) => ({ backend, ips: ips.map(String) }),
    decode: (note, fields) => ({
      ...note,
      backend: wordOf(fields, "backend", BACKENDS),
      ips: (fields.strings("ips") ?? []).map((text) => Cidr.parse(text)),
    }),
  });
}
