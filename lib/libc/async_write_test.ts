import { assertEquals } from "@std/assert";
import { errnoNumber } from "../runtime/errno.ts";
import { AsyncWrite } from "./async_write.ts";
import { Poller } from "./poller.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { SOCK_DGRAM, Socket } from "./socket.ts";

Deno.test("AsyncWrite writes to sockets, any number at the same time", async () => {
  using poller = new Poller();
  const pairs = Array.from({ length: 100 }, () => Socket.pair(AF_UNIX, SOCK_DGRAM));
  const writes = pairs.map(([from], i) =>
    AsyncWrite.start(from.descriptor, new TextEncoder().encode(`datagram ${i}`))
  );
  for (const [i, [, to]] of pairs.entries()) {
    assertEquals(await poller.readable(to.descriptor, 60_000), true);
    assertEquals(new TextDecoder().decode(to.receive()!.data), `datagram ${i}`);
  }
  await ended(writes);
  assertEquals(writes.map(({ errno }) => errno), pairs.map(() => 0));
  for (const socket of pairs.flat()) socket[Symbol.dispose]();
});

Deno.test("AsyncWrite tells the error of a write", async () => {
  const [a, b] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  b[Symbol.dispose]();
  const write = AsyncWrite.start(a.descriptor, new Uint8Array(1));
  await ended([write]);
  assertEquals(write.errno, errnoNumber("ECONNREFUSED"));
  a[Symbol.dispose]();
});

async function ended(writes: readonly AsyncWrite[]): Promise<void> {
  while (!writes.every(({ hasEnded }) => hasEnded)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
