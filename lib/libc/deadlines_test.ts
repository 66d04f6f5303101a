import { assertEquals, fail } from "@std/assert";
import { Deadlines } from "./deadlines.ts";

Deno.test("deadlines are reached in their order, whichever was set first", async () => {
  using deadlines = new Deadlines();
  const reached: string[] = [];
  const all = new Promise<void>((resolve) => {
    deadlines.add(40, () => {
      reached.push("late");
      resolve();
    });
    deadlines.add(1, () => {
      reached.push("early");
      deadlines.add(1, () => reached.push("set by another"));
    });
    deadlines.add(1, () => reached.push("taken back"))();
  });
  await all;
  assertEquals(reached, ["early", "set by another", "late"]);
});

Deno.test("deadlines are reached when the object is disposed of meanwhile", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  {
    using deadlines = new Deadlines();
    deadlines.add(1, () => resolve("reached"));
  }
  assertEquals(await promise, "reached");
});

Deno.test("deadlines that were taken back leave no timer", { sanitizeOps: true }, () => {
  using deadlines = new Deadlines();
  deadlines.add(60_000, () => fail())();
  const last = deadlines.add(60_000, () => fail());
  deadlines[Symbol.dispose]();
  last();
});
