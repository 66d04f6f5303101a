import { assertEquals, assertRejects } from "@std/assert";
import { Mailbox } from "./mailbox.ts";
import { now } from "./time.ts";

const never = new AbortController().signal;
const soon = () => now() + 10_000;

Deno.test("Mailbox loses nothing that comes at once", async () => {
  const mailbox = new Mailbox<number>();
  const first = mailbox.take(soon(), never);
  mailbox.put(1);
  mailbox.put(2);
  mailbox.put(3);
  const all = [await first, await mailbox.take(soon(), never), await mailbox.take(soon(), never)];
  assertEquals(all, [1, 2, 3]);
});

Deno.test("Mailbox gives up when time is, or whoever waits has gone", async () => {
  const mailbox = new Mailbox<number>();
  assertEquals(await mailbox.take(now() + 5, never), undefined);
  const stop = new AbortController();
  const waiting = mailbox.take(soon(), stop.signal);
  stop.abort(new Error("gone"));
  await assertRejects(() => waiting, Error, "gone");
  await assertRejects(() => mailbox.take(soon(), stop.signal), Error, "gone");
  mailbox.put(1);
  assertEquals(await mailbox.take(soon(), never), 1);
});

Deno.test("Mailbox waits longer than a timer can be set for", async () => {
  const mailbox = new Mailbox<number>();
  const century = mailbox.take(now() + 100 * 365 * 86_400_000, never);
  setTimeout(() => mailbox.put(1), 10);
  assertEquals(await century, 1);
});

Deno.test("Mailbox keeps no more than it should", async () => {
  const mailbox = new Mailbox<number>();
  for (let letter = 0; letter < 1000; letter++) mailbox.put(letter);
  let count = 0;
  while (await mailbox.take(now(), never) !== undefined) count++;
  assertEquals(count, 64);
});
