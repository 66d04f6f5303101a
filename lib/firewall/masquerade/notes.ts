/** What is masqueraded, as it is noted on disk. */
import { Cidr } from "../../ip/cidr.ts";
import { type Backend, BACKENDS } from "../backend.ts";
import { type Note, NoteStore, wordOf } from "../notes/note_store.ts";
import type { Masqueraded } from "./types.ts";

/** What is masqueraded, and with which backend. */
export interface MasqueradeNote extends Masqueraded, Note {
  backend: Backend;
}

/** The notes of all attachments. */
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
