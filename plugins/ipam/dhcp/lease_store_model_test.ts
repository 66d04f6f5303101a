/**
 * The lease store beside a model of it: a map. Daemons end at any moment, files are damaged, the
 * machine starts anew, the calendar is set; what was saved is there, and nothing else.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { sampleLease } from "../../../tests/support/dhcp_lease.ts";
import { checkProperty } from "../../../tests/support/property.ts";
import type { LeaseState } from "./lease_record.ts";
import { LeaseStore } from "./lease_store.ts";

const ATTACHMENTS = ["a", "b", "c", "d"].map((containerId) => ({
  network: "lan",
  containerId,
  ifName: "eth0",
}));

/** What should be there: the expiry of each lease, or that its file holds none. */
interface Model {
  files: Map<string, number | "damaged">;
}

/** What is there. */
interface Real {
  directory: string;
  store: LeaseStore;
  warnings: string[];
  daysAhead: number;
}

type Command = fc.AsyncCommand<Model, Real>;

/** A command that can always run. */
const command = (
  name: string,
  run: (model: Model, real: Real) => Promise<void> | void,
): Command => ({
  check: () => true,
  run: async (model, real) => await run(model, real),
  toString: () => name,
});

const save = (which: number, expiresAt: number) =>
  command(`save(${which}, ${expiresAt})`, ({ files }, { store }) => {
    const attachment = ATTACHMENTS[which]!;
    store.save(sampleLease(attachment, expiresAt));
    files.set(attachment.containerId, expiresAt);
  });

const remove = (which: number) =>
  command(`remove(${which})`, ({ files }, { store }) => {
    store.remove(ATTACHMENTS[which]!);
    files.delete(ATTACHMENTS[which]!.containerId);
  });

const load = () =>
  command("load()", ({ files }, { store, warnings, directory }) => {
    warnings.length = 0;
    const found = store.load().map(({ attachment, v4 }) => [attachment.containerId, v4!.expiresAt]);
    const whole = [...files].filter(([, expiresAt]) => expiresAt !== "damaged");
    assertEquals(found.sort(), whole.sort());
    assertEquals(warnings.length, files.size - whole.length);
    // Nothing else is left, neither of a daemon that was killed while it wrote.
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assertEquals(names.length, files.size + 1, names.join());
  });

/** A daemon ends, perhaps while it writes, and another one starts. */
const restart = (halfWritten: number | null) =>
  command(`restart(${halfWritten})`, async (_, real) => {
    if (halfWritten !== null) {
      const path = pathOf(real, ATTACHMENTS[halfWritten]!);
      Deno.writeTextFileSync(`${path}.tmp`, '{"format":2,"boot":');
    }
    real.store[Symbol.dispose]();
    real.store = await LeaseStore.open(real.directory, (text) => real.warnings.push(text));
  });

const damage = (which: number, text: string) =>
  command(`damage(${which}, ${JSON.stringify(text)})`, ({ files }, real) => {
    const { containerId } = ATTACHMENTS[which]!;
    if (!files.has(containerId)) return;
    Deno.writeTextFileSync(pathOf(real, ATTACHMENTS[which]!), text);
    files.set(containerId, "damaged");
  });

/** The records are another boot's from now on. */
const reboot = () =>
  command("reboot()", ({ files }, real) => {
    for (const attachment of ATTACHMENTS) {
      const known = files.get(attachment.containerId);
      if (known === undefined || known === "damaged") continue;
      const path = pathOf(real, attachment);
      const record = JSON.parse(Deno.readTextFileSync(path));
      Deno.writeTextFileSync(path, JSON.stringify({ ...record, boot: "another" }));
      files.delete(attachment.containerId);
    }
    real.store.load();
  });

const setCalendar = (days: number) =>
  command(`setCalendar(${days})`, (_, real) => {
    real.daysAhead = days;
  });

const names = new Map<string, string>();

/** The file of a lease: the one that appears when it is saved for the first time. */
function pathOf({ directory, store }: Real, attachment: LeaseState["attachment"]): string {
  const { containerId } = attachment;
  if (!names.has(containerId)) {
    const present = () => new Set([...Deno.readDirSync(directory)].map(({ name }) => name));
    const before = present();
    store.save(sampleLease(attachment, 0));
    const [name] = present().difference(before);
    assert(name);
    names.set(containerId, name);
    store.remove(attachment);
  }
  return `${directory}/${names.get(containerId)}`;
}

Deno.test("LeaseStore keeps what a map would, whatever happens to it", async () => {
  const which = fc.nat(ATTACHMENTS.length - 1);
  const text = fc.oneof(
    fc.constantFrom("", "{}", "[]", '{"format":99}', '{"format":2}', '{"format":1,"key":{}}'),
    fc.string(),
    fc.json(),
  );
  const commands = fc.commands([
    fc.tuple(which, fc.nat(1000)).map(([which, expiresAt]) => save(which, expiresAt)),
    which.map(remove),
    fc.constant(null).map(load),
    fc.option(which).map(restart),
    fc.tuple(which, text).map(([which, text]) => damage(which, text)),
    fc.constant(null).map(reboot),
    fc.integer({ min: -1000, max: 1000 }).map(setCalendar),
  ], { maxCommands: 40 });
  const { now } = Date;
  await checkProperty(
    fc.asyncProperty(commands, async (commands) => {
      const directory = Deno.makeTempDirSync();
      const warnings: string[] = [];
      const store = await LeaseStore.open(directory, (text) => warnings.push(text));
      const real: Real = { directory, store, warnings, daysAhead: 0 };
      // As long as none is there.
      for (const attachment of ATTACHMENTS) pathOf(real, attachment);
      Date.now = () => now() + real.daysAhead * 86_400_000;
      try {
        await fc.asyncModelRun(() => ({ model: { files: new Map() }, real }), commands);
        // In the end every attachment is deleted, whatever its file holds.
        for (const attachment of ATTACHMENTS) real.store.remove(attachment);
        await load().run({ files: new Map() }, real);
      } finally {
        Date.now = now;
        real.store[Symbol.dispose]();
        Deno.removeSync(directory, { recursive: true });
      }
    }),
    { runs: 200 },
  );
});
