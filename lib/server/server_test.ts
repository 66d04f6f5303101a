import { assert, assertEquals, assertThrows } from "@std/assert";
import { Poller } from "../libc/poller.ts";
import { AF_UNIX, unixAddress } from "../libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../libc/socket.ts";
import { CniError } from "../types/error.ts";
import { Acceptor } from "./acceptor.ts";
import { Connection } from "./connection.ts";
import { listenAt } from "./listen.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Makes a path for a socket, in a directory of its own. */
function scratch(): { path: string } & Disposable {
  const directory = Deno.makeTempDirSync();
  return {
    path: `${directory}/made/server.sock`,
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  };
}

function connect(path: string): Socket {
  const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  socket.connect(unixAddress(path), path);
  return socket;
}

const options = { server: "test server", mode: 0o600 };

Deno.test("listenAt() takes over from who is gone, and from nobody else", () => {
  using directory = scratch();
  const { path } = directory;
  const first = listenAt(path, options);
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  const error = assertThrows(() => listenAt(path, options), CniError);
  assertEquals(error.message, `a test server already answers at ${path}`);
  // One whose backlog is full is there as well.
  const waiting: Socket[] = [];
  assertThrows(() => Array.from({ length: 1000 }, () => waiting.push(connect(path))));
  assertThrows(() => listenAt(path, options), CniError, "already answers");
  for (const socket of [first, ...waiting]) socket[Symbol.dispose]();
  using _second = listenAt(path, options);
});

Deno.test("Connection gives what came, answers, and knows when its peer has gone", async () => {
  using directory = scratch();
  const { path } = directory;
  using poller = new Poller();
  const ends: Promise<void>[] = [];
  using _acceptor = new Acceptor(listenAt(path, options), poller, {
    serve: (socket) => {
      const connection = new Connection(socket, poller, (bytes) => connection.write(bytes, 10_000));
      ends.push(
        new Promise((resolve) => connection.signal.addEventListener("abort", () => resolve())),
      );
    },
    log: (text) => {
      throw new Error(text);
    },
  });
  const clients = [connect(path), connect(path)];
  // More than a buffer holds: the peer reads it piece by piece.
  const long = encode("x".repeat(1 << 20));
  let sent = 0;
  let received = 0;
  while (received < long.length) {
    sent += clients[0]!.send(long.slice(sent)) ?? 0;
    received += clients[0]!.receive()?.data.length ?? 0;
    await new Promise((resolve) => setTimeout(resolve));
  }
  clients[1]!.send(encode("hello"));
  let answer: Uint8Array | undefined;
  while (!(answer = clients[1]!.receive()?.data)) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(new TextDecoder().decode(answer), "hello");
  for (const client of clients) client[Symbol.dispose]();
  await Promise.all(ends);
  assert(ends.length === 2);
});
