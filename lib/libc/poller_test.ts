import { assertEquals, assertThrows } from "@std/assert";
import { Descriptor, O_RDONLY } from "./descriptor.ts";
import { Poller } from "./poller.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { SOCK_DGRAM, SOCK_STREAM, Socket } from "./socket.ts";
import { SystemError } from "./system_error.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** The next datagram of a socket that is watched for just that. */
function next(poller: Poller, socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const watch = poller.watch(socket, () => {
    const received = socket.receive();
    if (!received) return;
    watch[Symbol.dispose]();
    resolve(new TextDecoder().decode(received.data));
  });
  return promise;
}

Deno.test("Poller waits for sockets that come and go, and says which is readable", async () => {
  using poller = new Poller();
  const [a, toA] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  const [b, toB] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  const first = next(poller, a);
  const second = next(poller, b); // Added while the thread waits, or is about to.
  toB.send(bytes("for b"));
  assertEquals(await second, "for b");
  toA.send(bytes("for a"));
  assertEquals(await first, "for a");
  for (let round = 0; round < 50; round++) {
    const again = next(poller, a);
    toA.send(bytes(`${round}`));
    assertEquals(await again, `${round}`);
  }
  for (const socket of [a, toA, b, toB]) socket[Symbol.dispose]();
});

Deno.test("Poller reports the end of a connection as something to read", async () => {
  using poller = new Poller();
  const [a, b] = Socket.pair(AF_UNIX, 1);
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const watch = poller.watch(a, () => resolve(a.receive()?.data.length));
  b[Symbol.dispose]();
  assertEquals(await promise, 0);
  watch[Symbol.dispose]();
  a[Symbol.dispose]();
});

Deno.test("Poller tells room to write, and a regular file from what can be waited for", async () => {
  using poller = new Poller();
  const [a, b] = Socket.pair(AF_UNIX, SOCK_STREAM);
  while (a.send(bytes("x".repeat(65536))) !== undefined);
  let isFull = true;
  const room = new Promise<boolean>((resolve) => {
    const watch = poller.watch(a, () => {
      watch[Symbol.dispose]();
      resolve(isFull);
    }, "write");
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  isFull = false;
  while (b.receive());
  assertEquals(await room, false);
  using file = Descriptor.open("/proc/self/exe", O_RDONLY);
  assertEquals(
    assertThrows(() => poller.watch({ descriptor: file.number }, () => {}), SystemError).code,
    "EPERM",
  );
  for (const socket of [a, b]) socket[Symbol.dispose]();
});
