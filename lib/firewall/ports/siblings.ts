/**
 * The attachments of a container with published ports, noted on disk: notes are found by
 * attachment, and runtimes publish the same ports for each network of a container.
 *
 * @module
 */
import { attachmentHash, nftHash } from "../../ip/hash_names.ts";
import { orphanHash } from "../orphan_hash.ts";
import { warn } from "../../runtime/caller.ts";
import { messageOf } from "../../runtime/errors.ts";
import { RecordStore } from "../../state/record_store.ts";
import type { Attachment } from "../../types/attachment.ts";
import { NOTES_DIRECTORY } from "../notes/lock.ts";
import { fieldsOf } from "../notes/note_store.ts";
import { type PortsNote, portsNotes } from "./notes.ts";

/** The hashes of attachments, in the order of their ADDs. */
type Hashes = readonly string[];

/** Reads the notes of the container's other attachments, in the order of their ADDs. */
export function siblingsOf(attachment: Attachment): PortsNote[] {
  const own = attachmentHash(attachment);
  const notes = portsNotes();
  return hashesOf(attachment).filter((hash) => hash !== own)
    .flatMap((hash) => notes.readHash(hash) ?? []);
}

/** Sorts notes so that those of a container follow the order of its ADDs; unlisted ones go first. */
export function inOrderOfAdds(notes: readonly PortsNote[]): PortsNote[] {
  const containers = Map.groupBy(notes, ({ attachment }) => attachment.containerId).values();
  return Array.from(containers).flatMap((own) => {
    if (own.length === 1) return own;
    const hashes = hashesOf(own[0]!.attachment);
    const place = ({ attachment }: PortsNote) => hashes.indexOf(attachmentHash(attachment));
    return own.toSorted((a, b) => place(a) - place(b));
  });
}

/** Notes that an attachment of its container has published ports. */
export function addSibling(attachment: Attachment): void {
  const own = attachmentHash(attachment);
  const hashes = hashesOf(attachment);
  if (!hashes.includes(own)) store().write(nameOf(attachment), [...hashes, own]);
}

/** Notes that an attachment of its container has no published ports any more. */
export function removeSibling(attachment: Attachment): void {
  const left = hashesOf(attachment).filter((hash) => hash !== attachmentHash(attachment));
  replace(nameOf(attachment), left);
}

/**
 * Notes that a network's attachments that are not in `valid` have no published ports any more, those
 * too of which a killed ADD or DEL left no other note, and removes notes that were never whole. The
 * caller holds the lock of the notes.
 */
export function removeOtherSiblings(network: string, valid: readonly Attachment[]): void {
  const isOther = orphanHash(network, valid);
  for (const name of store().names()) {
    const hashes = store().read(name);
    if (hashes?.some(isOther)) replace(name, hashes.filter((hash) => !isOther(hash)));
  }
  store().sweep();
}

function replace(name: string, hashes: Hashes): void {
  try {
    if (hashes.length > 0) store().write(name, hashes);
    else store().remove(name);
  } catch (error) {
    warn(`${messageOf(error)}\n`); // the ports are gone, which is what matters
  }
}

function hashesOf(attachment: Attachment): Hashes {
  return store().read(nameOf(attachment)) ?? [];
}

function nameOf({ containerId }: Attachment): string {
  return nftHash(containerId);
}

function store(): RecordStore<Hashes> {
  return new RecordStore<Hashes>({
    directory: NOTES_DIRECTORY,
    suffix: ".container.json",
    what: "which attachments of a container have published ports",
    format: 1,
    encode: (attachments) => ({ attachments: [...attachments] }),
    decode: (value) => fieldsOf(value, ["attachments"]).strings("attachments") ?? [],
  });
}
