import { assert, assertEquals, assertThrows } from "@std/assert";
import { snapshot } from "../runtime/async_storage.ts";
import { type CallContext, currentCall, runInCall } from "../runtime/current_call.ts";
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

/** Lets everything go on that waits for nothing but other code: no timer and no thread is heard. */
async function goOn(): Promise<void> {
  for (let i = 0; i < 100; i++) await Promise.resolve();
}

/**
 * Sends a datagram, which the runtime tells of, and another one from where it was heard.
 * @param before is called in between
 * @param after is called when the second one was heard
 * @returns whether that was before the runtime told of anything else
 */
async function hearsBoth(poller: Poller, before = () => {}, after = () => {}): Promise<boolean> {
  const pairs = [Socket.pair(AF_UNIX, SOCK_DGRAM), Socket.pair(AF_UNIX, SOCK_DGRAM)] as const;
  const [[first, toFirst], [second, toSecond]] = pairs;
  let isHeard = false;
  const heard = next(poller, second).then(() => {
    isHeard = true;
    after();
  });
  toFirst.send(bytes("1"));
  await next(poller, first);
  before();
  toSecond.send(bytes("2"));
  await goOn();
  const isHeardAtOnce = isHeard;
  await heard;
  for (const socket of pairs.flat()) socket[Symbol.dispose]();
  return isHeardAtOnce;
}

/** Repeats what a machine that stands still may spoil. */
async function succeeds(attempt: () => Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 20; i++) if (await attempt()) return true;
  return false;
}

Deno.test("a thread with work looks itself as long as it finds something", async () => {
  using poller = new Poller();
  assert(await succeeds(() => hearsBoth(poller)));
});

Deno.test("a thread without work waits itself", async () => {
  using poller = new Poller();
  assert(await succeeds(() => hearsBoth(poller, () => poller.end(), () => poller.begin())));
});

Deno.test("a thread waits a moment itself where all who have work wait for a descriptor", async () => {
  using poller = new Poller();
  const [[a, toA], [b, toB]] = [
    Socket.pair(AF_UNIX, SOCK_DGRAM),
    Socket.pair(AF_UNIX, SOCK_DGRAM),
  ];
  const waitsItself = async (isWaiting: boolean) => {
    const readable = isWaiting ? poller.readable(b.descriptor, 60_000) : undefined;
    toA.send(bytes("for a"));
    await next(poller, a);
    const start = performance.now();
    await goOn();
    const ms = performance.now() - start;
    toB.send(bytes("for b"));
    if (readable) assertEquals(await readable, true);
    b.receive();
    return ms >= 1;
  };
  assert(await succeeds(() => waitsItself(true)), "it did not wait");
  assert(await succeeds(async () => !await waitsItself(false)), "it waited for somebody with work");
  for (const socket of [a, toA, b, toB]) socket[Symbol.dispose]();
});

Deno.test("a thread that always finds something hears of the runtime's events, and needs no Worker", async () => {
  let messages = 0;
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    override set onmessage(handler: (event: MessageEvent) => void) {
      super.onmessage = (event) => {
        messages++;
        handler(event);
      };
    }
  };
  try {
    using poller = new Poller();
    const [a, toA] = Socket.pair(AF_UNIX, SOCK_DGRAM);
    let isOver = false;
    const over = timer(300).then(() => isOver = true);
    let heard = 0;
    for (; !isOver; heard++) {
      toA.send(bytes("for a"));
      await next(poller, a);
    }
    await over;
    assert(heard > 100, `only ${heard} were heard`);
    assert(messages < 10, `the Worker sent ${messages} messages`);
    for (const socket of [a, toA]) socket[Symbol.dispose]();
  } finally {
    globalThis.Worker = Worker;
  }
});

/** Waits as long as a timer takes that is set to `ms`. Returns milliseconds. */
async function timer(ms: number): Promise<number> {
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return performance.now() - start;
}

Deno.test("a thread without work waits itself again after the runtime's events", async () => {
  using poller = new Poller();
  poller.end();
  await timer(100); // an event, for which the thread stops waiting
  assert(await timer(100) > 500, "the thread did not wait: a timer was heard at once");
  poller.begin();
});

Deno.test("a thread that waits for one descriptor hears of the others", async () => {
  using poller = new Poller();
  const [[a, toA], [b, toB]] = [
    Socket.pair(AF_UNIX, SOCK_DGRAM),
    Socket.pair(AF_UNIX, SOCK_DGRAM),
  ];
  const isReadable = (left: number) => poller.readableWithoutWork(a.descriptor, () => left);
  assertEquals(await isReadable(0), false);
  const heard = next(poller, b);
  toB.send(bytes("for b"));
  let isOver = false;
  const readable = isReadable(60_000).finally(() => isOver = true);
  assertEquals(await heard, "for b");
  await goOn();
  assertEquals(isOver, false);
  toA.send(bytes("for a"));
  assertEquals(await readable, true);
  assertEquals(await isReadable(0), true);
  for (const socket of [a, toA, b, toB]) socket[Symbol.dispose]();
});

Deno.test("an error of who is called is heard before the thread waits again", async () => {
  using poller = new Poller();
  const [[a, toA], [b, toB]] = [
    Socket.pair(AF_UNIX, SOCK_DGRAM),
    Socket.pair(AF_UNIX, SOCK_DGRAM),
  ];
  toB.send(bytes("for b"));
  await next(poller, b); // an event of the runtime: the thread looks by itself now
  const start = performance.now();
  let heardMs: number | undefined;
  const hear = (event: ErrorEvent) => {
    event.preventDefault();
    heardMs = performance.now() - start;
  };
  globalThis.addEventListener("error", hear);
  const watch = poller.watch(a, () => {
    watch[Symbol.dispose]();
    throw new Error("who is called fails");
  });
  toA.send(bytes("for a"));
  poller.end();
  await timer(100); // The thread waits meanwhile.
  poller.begin();
  globalThis.removeEventListener("error", hear);
  assert(heardMs !== undefined && heardMs < 500, `heard after ${heardMs} ms`);
  for (const socket of [a, toA, b, toB]) socket[Symbol.dispose]();
});

Deno.test("what is called belongs to no call, whosever work ended before", async () => {
  using poller = new Poller(snapshot());
  const [a, toA] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  const { promise, resolve } = Promise.withResolvers<CallContext | undefined>();
  const watch = poller.watch(a, () => {
    watch[Symbol.dispose]();
    resolve(currentCall());
  });
  const call: CallContext = {
    environment: {},
    directory: "/",
    writeError: () => {},
    inherited: new Set(),
  };
  toA.send(bytes("for a"));
  runInCall(call, () => poller.end());
  assertEquals(await promise, undefined);
  poller.begin();
  for (const socket of [a, toA]) socket[Symbol.dispose]();
});
