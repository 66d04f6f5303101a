/**
 * State files that held a record once. Whatever they hold now, they are passed over or give a record
 * that can be worked with; others are read, and the file can be written and removed.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { runInCall } from "../../../lib/runtime/current_call.ts";
import { CniError } from "../../../lib/types/error.ts";
import { mutatedJson } from "../../support/faults/mutate.ts";
import { checkSeeded, type Runs } from "../../support/faults/seeded.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";
import { quietCall } from "../model/commands.ts";
import { ATTACHMENTS, RECORD_KINDS, type Records } from "../model/records.ts";

const [SUBJECT, OTHER] = [ATTACHMENTS[0]!, ATTACHMENTS[2]!];

/** A record, whose file is given other texts. */
export class FuzzedRecord implements Disposable {
  readonly #records: Records;
  readonly #path: string;
  /** What is in the file of a whole record. */
  readonly value: unknown;

  constructor(records: Records) {
    this.#records = records;
    records.write(OTHER, 9);
    records.write(SUBJECT, 7);
    this.#path = `${records.directory}/${records.file(SUBJECT)}`;
    this.value = JSON.parse(Deno.readTextFileSync(this.#path));
  }

  /** Uses the record with a text in its file. Returns whether it could be read. */
  use(text: string): boolean {
    const records = this.#records;
    return runInCall(quietCall(), () => {
      Deno.writeTextFileSync(this.#path, text);
      const version: unknown = records.read(SUBJECT);
      assertEquals(records.read(OTHER), 9, "another record");
      try {
        records.readAll?.();
      } catch (error) {
        // A cached result that is none is an error for people.
        if (!(error instanceof CniError)) throw error;
      }
      records.collect?.(SUBJECT.network, [SUBJECT]);
      records.remove(SUBJECT);
      const names = Array.from(Deno.readDirSync(records.directory), ({ name }) => name);
      assertEquals(
        names.includes(records.file(SUBJECT)) && names,
        false,
        "the file is still there",
      );
      records.write(SUBJECT, 5);
      assertEquals(records.read(SUBJECT), 5, "a new record");
      return version !== undefined;
    });
  }

  [Symbol.dispose](): void {
    this.#records.end?.();
  }
}

/** Damages a record of one kind again and again. */
export async function fuzzRecords(room: FaultRoom, kind: string, runs: Runs): Promise<void> {
  using record = new FuzzedRecord(await RECORD_KINDS[kind]!());
  let read = 0;
  const number = await checkSeeded(room, mutatedJson(record.value), (text) => {
    if (record.use(text)) read++;
  }, runs);
  room.count("records", number);
  room.count("records that could be read", read);
}
