import { assertEquals, assertRejects } from "@std/assert";
import { ReceiveQueue } from "./receive_queue.ts";
import { now } from "./time.ts";

const never = new AbortController().signal;
const soon = () => now() + 10_000;

Deno.test("ReceiveQueue loses nothing that comes at once", async () => {
  const queue = new ReceiveQueue<number>();
  const first = queue.next(soon(), never);
  queue.push(1);
  queue.push(2);
  queue.push(3);
  const all = [await first, await queue.next(soon(), never), await queue.next(soon(), never)];
  assertEquals(all, [1, 2, 3]);
});

Deno.test("ReceiveQueue.next() ends at its deadline, and when it is aborted", async () => {
  const queue = new ReceiveQueue<number>();
  assertEquals(await queue.next(now() + 5, never), undefined);
  const stop = new AbortController();
  const waiting = queue.next(soon(), stop.signal);
  stop.abort(new Error("gone"));
  await assertRejects(() => waiting, Error, "gone");
  await assertRejects(() => queue.next(soon(), stop.signal), Error, "gone");
  queue.push(1);
  assertEquals(await queue.next(soon(), never), 1);
});

Deno.test("ReceiveQueue.next() waits longer than a timer can be set for", async () => {
  const queue = new ReceiveQueue<number>();
  const century = queue.next(now() + 100 * 365 * 86_400_000, never);
  setTimeout(() => queue.push(1), 10);
  assertEquals(await century, 1);
});

Deno.test("ReceiveQueue keeps 64 messages", async () => {
  const queue = new ReceiveQueue<number>();
  for (let message = 0; message < 1000; message++) queue.push(message);
  let count = 0;
  while (await queue.next(now(), never) !== undefined) count++;
  assertEquals(count, 64);
});
