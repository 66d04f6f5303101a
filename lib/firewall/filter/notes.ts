/** The notes of filtered attachments on disk. */
import { IpAddress } from "../../ip/address.ts";
import { BACKENDS } from "../backend_names.ts";
import { NoteStore, textOf, wordOf } from "../notes/note_store.ts";
import { FILTER_BACKENDS, type FilterEntry, INGRESS_POLICIES } from "./types.ts";

/** Opens the notes of all attachments. */
export function filterNotes(): NoteStore<FilterEntry> {
  return new NoteStore<FilterEntry>({
    name: "filter",
    format: 1,
    keys: ["backend", "enforcer", "ips", "adminChain", "zone", "policy", "bridge"],
    encode: ({ backend, enforcer, ips, adminChain, zone, policy, bridge }) => ({
      ...{ backend, enforcer, ips: ips.map(String), adminChain, zone, policy, bridge },
    }),
    decode: (note, fields, format) => ({
      ...note,
      backend: wordOf(fields, "backend", FILTER_BACKENDS),
      enforcer: wordOf(fields, "enforcer", BACKENDS),
      ips: (fields.strings("ips") ?? []).map((text) => IpAddress.parse(text)),
      adminChain: textOf(fields, "adminChain"),
      zone: textOf(fields, "zone"),
      policy: wordOf(fields, "policy", INGRESS_POLICIES),
      bridge: textOf(fields, "bridge"),
      ...(format < 1 ? { ignoresPublished: true } : {}),
    }),
  });
}
