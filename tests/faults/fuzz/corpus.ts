/**
 * Inputs that once found something, kept in `tests/fixtures/fuzz/corpus.json` by names of their own.
 *
 * @module
 */
import { NETWORKS } from "../../support/faults/networks.ts";
import type { FaultCase } from "../../support/faults/suite.ts";
import { bytes } from "../../support/hex.ts";
import { RECORD_KINDS } from "../model/records.ts";
import { type FuzzedCall, FuzzedHost } from "./calls.ts";
import { readDbusMessage } from "./dbus.ts";
import { FuzzedRead, NETLINK_READS } from "./netlink.ts";
import { FuzzedRecord } from "./records.ts";

/** An input. Bytes are in hexadecimal, by two digits. */
type Entry =
  & { name: string }
  & (
    | { calls: FuzzedCall[]; network: string }
    | { netlink: string; answer: number; bytes: string }
    | { dbus: string }
    | { record: string; text: string }
  );

const FILE = new URL("../../fixtures/fuzz/corpus.json", import.meta.url);

/** A case for each. */
export const CORPUS: readonly FaultCase[] = (JSON.parse(Deno.readTextFileSync(FILE)) as Entry[])
  .map((entry): FaultCase => {
    const id = `corpus/${entry.name}`;
    if ("calls" in entry) {
      const network = NETWORKS.find(({ id }) => id === entry.network)!;
      const run: FaultCase["run"] = (room) => new FuzzedHost(room, network).run(entry.calls);
      return { id, needs: network.needs, run };
    }
    if ("netlink" in entry) {
      const { needs } = NETLINK_READS.find(({ name }) => name === entry.netlink)!;
      return {
        id,
        needs,
        run(room) {
          using read = new FuzzedRead(room, entry.netlink);
          read.readDamaged(entry.answer, bytes(entry.bytes));
        },
      };
    }
    if ("dbus" in entry) return { id, run: () => readDbusMessage(bytes(entry.dbus)) };
    return {
      id,
      async run() {
        using record = new FuzzedRecord(await RECORD_KINDS[entry.record]!());
        record.use(entry.text);
      },
    };
  });
