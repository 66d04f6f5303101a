import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Undo } from "./undo.ts";

/** Steps that note what was taken back. */
function notes() {
  const undone: string[] = [];
  return { undone, undo: new Undo(), remove: (what: string) => () => void undone.push(what) };
}

Deno.test("Undo takes back what was made, last first, with what make returned", async () => {
  const { undo, undone } = notes();
  assertEquals(undo.step("a", () => "made a", (made) => void undone.push(made)), "made a");
  const b = undo.step("b", () => Promise.resolve("made b"), (made) => void undone.push(made));
  assertEquals(await b, "made b");
  assertEquals(await undo.run(), []);
  assertEquals(undone, ["made b", "made a"]);
});

Deno.test("Undo leaves alone what a step that threw did not make", async () => {
  const { undo, undone, remove } = notes();
  const refuse = () => {
    throw new Error("taken");
  };
  assertThrows(() => undo.step("a", refuse, remove("a")), Error, "taken");
  await assertRejects(async () => await undo.step("b", async () => await refuse(), remove("b")));
  assertEquals(await undo.run(), []);
  assertEquals(undone, []);
});

Deno.test("Undo takes back a step that threw where that may have happened", async () => {
  const { undo, undone, remove } = notes();
  const fail = (text: string) => () => Promise.reject(new Error(text));
  const ambiguous = (error: unknown) => (error as Error).message === "killed";
  for (const text of ["killed", "refused"]) {
    await assertRejects(() => undo.step(text, fail(text), remove(text), { ambiguous }));
  }
  assertThrows(() =>
    undo.step(
      "half",
      () => {
        throw new Error("half-way");
      },
      remove("half"),
      { ambiguous: true },
    )
  );
  assertEquals(await undo.run(), []);
  assertEquals(undone, ["half", "killed"]);
});

Deno.test("Undo that is stopped lets no step begin", async () => {
  const { undo, undone, remove } = notes();
  undo.step("a", () => {}, remove("a"));
  undo.stop(new Error("interrupted"));
  assertThrows(() => undo.step("b", () => undone.push("made"), remove("b")), Error, "interrupted");
  assertEquals(await undo.run(), []);
  assertEquals(undone, ["a"]);
});

Deno.test("Undo says of a step that does not end that it may have been made", async () => {
  const { undo, undone, remove } = notes();
  const never = () => new Promise(() => {});
  void undo.step("the rules", never, remove("rules"));
  void undo.step("the reservation", never, remove("reservation"), { ambiguous: () => true });
  assertEquals(await undo.run(), ["making the rules had not ended; a DEL removes it"]);
  assertEquals(undone, ["reservation"]);
});
