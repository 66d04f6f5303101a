/**
 * Notes on disk of the installed rules: a file for each attachment and kind of rules. Flushed rules
 * are restored from them, and a DEL without a previous result reads them.
 *
 * @module
 */
import { attachmentHash } from "../../ip/hash_names.ts";
import { orphanHash } from "../orphan_hash.ts";
import { isGone, readRecordedNetNs, type RecordedNetNs } from "../../ns/recorded.ts";
import { warn } from "../../runtime/caller.ts";
import { messageOf } from "../../runtime/errors.ts";
import { type Records, RecordStore } from "../../state/record_store.ts";
import { type Attachment, sameAttachment } from "../../types/attachment.ts";
import { Fields } from "../../types/fields.ts";
import { isObject, type JsonObject } from "../../types/json.ts";
import { NOTES_DIRECTORY } from "./lock.ts";

/** The fields that notes of every kind have. */
export interface Note {
  attachment: Attachment;
  /** The container's namespace; absent in notes of versions that did not record it. */
  netns?: RecordedNetNs;
}

/** A kind of notes: its name and its format. */
export interface NoteKind<T extends Note> {
  /** The purpose of the rules, and the last part of the file names. */
  readonly name: "filter" | "masquerade" | "ports";
  /** The number of the format that is written. */
  readonly format: number;
  /** Encodes a note as JSON, without attachment and namespace. */
  encode(note: T): JsonObject;
  /**
   * Decodes a note whose attachment and namespace have been read.
   * @param note those two
   * @param fields the values under `keys`
   * @throws {Error} saying what is wrong
   */
  decode(note: Note, fields: Fields, format: number): T;
  /** The keys that {@link NoteKind.decode} reads. */
  readonly keys: readonly string[];
}

/** The notes of one kind. The caller holds `lockRules()` while it changes or compares them. */
export class NoteStore<T extends Note> {
  readonly #records: RecordStore<T>;

  constructor(kind: NoteKind<T>) {
    this.#records = new RecordStore<T>({
      directory: NOTES_DIRECTORY,
      suffix: `.${kind.name}.json`,
      what: "a note of installed rules",
      format: kind.format,
      encode: (note) => {
        const { network, containerId, ifName } = note.attachment;
        const { netns } = note;
        const rest = kind.encode(note);
        return { network, containerId, ifName, ...rest, ...(netns ? { netns: { ...netns } } : {}) };
      },
      decode: (value, format) => {
        const keys = ["network", "containerId", "ifName", ...kind.keys];
        const fields = fieldsOf(value, keys);
        const attachment = {
          network: textOf(fields, "network"),
          containerId: textOf(fields, "containerId"),
          ifName: textOf(fields, "ifName"),
        };
        const { netns } = value;
        const note = isObject(netns)
          ? { attachment, netns: readRecordedNetNs(netns) }
          : { attachment };
        return kind.decode(note, fields, format);
      },
    });
  }

  /** Writes an attachment's note; an earlier one is replaced. */
  write(note: T): void {
    this.#records.write(attachmentHash(note.attachment), note);
  }

  /** As {@link RecordStore.requireWritable}. */
  requireWritable(): void {
    this.#records.requireWritable();
  }

  /** Reads an attachment's note; undefined without one, or where it cannot be read. */
  read(attachment: Attachment): T | undefined {
    return this.readHash(attachmentHash(attachment));
  }

  /** As {@link read}, for the attachment whose `attachmentHash()` is `hash`. */
  readHash(hash: string): T | undefined {
    return this.#records.read(hash);
  }

  /** As {@link read}; undefined, too, where the container is known to be gone. */
  readLiving(attachment: Attachment): T | undefined {
    const note = this.read(attachment);
    return note?.netns && isGone(note.netns) ? undefined : note;
  }

  /** Whether an attachment has a note, readable or not. */
  has(attachment: Attachment): boolean {
    return this.#records.has(attachmentHash(attachment));
  }

  /** Lists the names of all notes, readable or not. */
  names(): string[] {
    return this.#records.names();
  }

  /** Removes an attachment's note. What cannot be removed is named on standard error. */
  remove(attachment: Attachment): void {
    this.#remove(attachmentHash(attachment));
  }

  /** Reads every note. */
  list(): Records<T> {
    return this.#records.list();
  }

  /** Reads every note but an attachment's own. */
  others(attachment: Attachment): Records<T> {
    const own = this.#records.path(attachmentHash(attachment));
    const { records, unreadable } = this.list();
    return {
      records: records.filter((note) => !sameAttachment(note.attachment, attachment)),
      unreadable: unreadable.filter((path) => path !== own),
    };
  }

  /**
   * Reads every note.
   * @returns those of a network's attachments that are not in `valid`, and the others
   */
  partition(
    network: string,
    valid: readonly Attachment[],
  ): { gone: readonly T[]; others: Records<T> } {
    const isOrphan = orphanHash(network, valid);
    const names = this.#records.names().filter(isOrphan);
    const paths = new Set(names.map((name) => this.#records.path(name)));
    const { records, unreadable } = this.list();
    const isGone = ({ attachment }: T) => isOrphan(attachmentHash(attachment));
    return {
      gone: records.filter(isGone),
      others: {
        records: records.filter((note) => !isGone(note)),
        unreadable: unreadable.filter((path) => !paths.has(path)),
      },
    };
  }

  /** Removes the notes of a network's attachments that are not in `valid`. */
  removeOthers(network: string, valid: readonly Attachment[]): void {
    this.#records.sweep();
    for (const name of this.#records.names().filter(orphanHash(network, valid))) {
      this.#remove(name);
    }
  }

  #remove(name: string): void {
    try {
      this.#records.remove(name);
    } catch (error) {
      warn(`${messageOf(error)}\n`);
    }
  }
}

/** Makes the reader of a note's fields, whose errors are sentences. */
export function fieldsOf(value: JsonObject, keys: readonly string[]): Fields {
  return new Fields(value, keys, "", (mismatch) => new Error(mismatch));
}

/** Reads a string. @throws {Error} where there is none */
export function textOf(fields: Fields, key: string): string {
  const text = fields.string(key);
  if (text === undefined) throw fields.mismatch(key, "a string");
  return text;
}

/** Reads one of `words`. @throws {Error} where there is none of them */
export function wordOf<T extends string>(fields: Fields, key: string, words: readonly T[]): T {
  const word = words.find((each) => each === fields.string(key));
  if (word === undefined) throw fields.mismatch(key, `one of ${words.join(", ")}`);
  return word;
}
