/**
 * Notes on disk of which rules are installed: a file for each attachment and kind of rules. Rules
 * are put back from them where somebody flushed them, and a DEL that is told nothing goes by them.
 *
 * @module
 */
import { attachmentHash, networkHash } from "../../ip/hash_names.ts";
import { readRecordedNetNs, type RecordedNetNs } from "../../ns/recorded.ts";
import { warn } from "../../runtime/caller.ts";
import { messageOf } from "../../runtime/errors.ts";
import { type Records, RecordStore } from "../../state/record_store.ts";
import { type Attachment, sameAttachment } from "../../types/attachment.ts";
import { Fields } from "../../types/fields.ts";
import { isObject, type JsonObject } from "../../types/json.ts";
import { NOTES_DIRECTORY } from "./lock.ts";

/** What a note of any kind says. */
export interface Note {
  attachment: Attachment;
  /** The container's namespace; absent where whoever made the rules did not say. */
  netns?: RecordedNetNs;
}

/** One kind of notes. */
export interface NoteKind<T extends Note> {
  /** What the rules are for: the last part of the files' names. */
  readonly name: "filter" | "masquerade" | "ports";
  /** The number of the format that is written. */
  readonly format: number;
  /** Makes the JSON of what a note says besides attachment and namespace. */
  encode(note: T): JsonObject;
  /**
   * Reads what a note says besides attachment and namespace.
   * @param note those two
   * @param fields the values under `keys`
   * @throws {Error} saying what is wrong
   */
  decode(note: Note, fields: Fields, format: number): T;
  /** The keys that {@link NoteKind.decode} reads. */
  readonly keys: readonly string[];
}

/** The notes of one kind. Whoever changes or compares them holds `lockRules()`. */
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

  /** Notes that rules are installed; what was noted for the attachment is replaced. */
  write(note: T): void {
    this.#records.write(attachmentHash(note.attachment), note);
  }

  /** What is noted for an attachment; undefined without a note, or with one that cannot be read. */
  read(attachment: Attachment): T | undefined {
    return this.readHash(attachmentHash(attachment));
  }

  /** As {@link read}, for the attachment whose `attachmentHash()` is `hash`. */
  readHash(hash: string): T | undefined {
    return this.#records.read(hash);
  }

  /** Whether there is a note for an attachment, be it one that can be read or not. */
  has(attachment: Attachment): boolean {
    return this.#records.has(attachmentHash(attachment));
  }

  /** The names of all notes, be they ones that can be read or not. */
  names(): string[] {
    return this.#records.names();
  }

  /** Removes an attachment's note. What cannot be removed is named on standard error. */
  remove(attachment: Attachment): void {
    this.#remove(attachmentHash(attachment));
  }

  /** Every note. */
  list(): Records<T> {
    return this.#records.list();
  }

  /** Every note but an attachment's own. */
  others(attachment: Attachment): Records<T> {
    const own = this.#records.path(attachmentHash(attachment));
    const { records, unreadable } = this.list();
    return {
      records: records.filter((note) => !sameAttachment(note.attachment, attachment)),
      unreadable: unreadable.filter((path) => path !== own),
    };
  }

  /** Removes the notes of a network's attachments that are not in `valid`. */
  removeOthers(network: string, valid: readonly Attachment[]): void {
    this.#records.sweep();
    const inUse = new Set(valid.map(attachmentHash));
    for (const name of this.#records.names()) {
      if (name.startsWith(`${networkHash(network)}-`) && !inUse.has(name)) {
        this.#remove(name);
      }
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

/** The fields of a note, whose errors are sentences. */
export function fieldsOf(value: JsonObject, keys: readonly string[]): Fields {
  return new Fields(value, keys, "", (mismatch) => new Error(mismatch));
}

/** @throws {Error} where there is none */
export function textOf(fields: Fields, key: string): string {
  const text = fields.string(key);
  if (text === undefined) throw fields.mismatch(key, "a string");
  return text;
}

/** @throws {Error} where there is none of `words` */
export function wordOf<T extends string>(fields: Fields, key: string, words: readonly T[]): T {
  const word = words.find((each) => each === fields.string(key));
  if (word === undefined) throw fields.mismatch(key, `one of ${words.join(", ")}`);
  return word;
}
