import { assertEquals } from "@std/assert";
import { Poller } from "../libc/poller.ts";
import { AF_UNIX } from "../libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../libc/socket.ts";
import { CallSocket, type ClientMessage } from "./call_socket.ts";
import { listenAt } from "./listen.ts";
import { ACCEPTED, MAGIC, REQUEST_LIMIT, STATUS_MAGIC } from "./protocol.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A message's first eight bytes, and what follows. */
function message(magic: number, size: number, body: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = new Uint8Array(8 + body.length);
  bytes.set(new Uint8Array(Uint32Array.of(magic, size).buffer));
  bytes.set(body, 8);
  return bytes;
}

function request(body: Uint8Array): Uint8Array {
  return message(MAGIC, body.length, body);
}

/** What the server reads where a client sends `parts`, one after another, and goes. */
async function read(...parts: Uint8Array[]): Promise<ClientMessage | undefined> {
  using poller = new Poller();
  const [client, server] = Socket.pair(AF_UNIX, SOCK_STREAM);
  using socket = new CallSocket(server, poller);
  poller.begin();
  const reading = socket.readRequest(10_000);
  for (const part of parts) {
    client.send(part.slice());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  client[Symbol.dispose]();
  return await reading;
}

Deno.test("readRequest() reads a call, however it comes", async () => {
  const body = encode("/opt/cni/bin/cni\0bridge\0A=1\0B=x=y\nz\0A=2\0E=\0");
  const whole = request(body);
  const environment = Object.assign(Object.create(null), { A: "1", B: "x=y\nz", E: "" });
  const expected = {
    kind: "call",
    request: { executable: "/opt/cni/bin/cni", argv0: "bridge", environment },
  };
  for (const at of [0, 3, 8, 20, whole.length - 1]) {
    const parts = [whole.subarray(0, at), whole.subarray(at)].filter(({ length }) => length > 0);
    assertEquals(await read(...parts), expected as ClientMessage, `in two parts at ${at}`);
  }
  const long = encode(`/cni\0bridge\0LONG=${"x".repeat(100_000)}\0`);
  const read100k = await read(request(long));
  assertEquals(read100k?.kind === "call" && read100k.request.environment.LONG?.length, 100_000);
});

Deno.test("readRequest() says what is no call, and takes nothing that is cut off", async () => {
  assertEquals(await read(message(STATUS_MAGIC, 0)), { kind: "status" });
  const unreadable = async (bytes: Uint8Array) => {
    const message = await read(bytes);
    return message?.kind === "unreadable" ? message.why : message;
  };
  assertEquals(await unreadable(message(MAGIC + 1, 0)), "another protocol");
  assertEquals(await unreadable(message(MAGIC, REQUEST_LIMIT + 1)), "request too long");
  const bodies = ["", "/cni", "/cni\0", "\0bridge\0"].map(encode);
  // What is no variable could be an argument.
  const call = "CNI_COMMAND=VERSION\0";
  for (const text of ["--version", "daemon", "", "=C"]) {
    bodies.push(encode(`/cni\0bridge\0${text}\0${call}`), encode(`/cni\0bridge\0${call}${text}\0`));
  }
  for (const body of bodies) {
    assertEquals(await unreadable(request(body)), "request that cannot be read");
  }
  assertEquals(
    await unreadable(request(Uint8Array.of(0x2f, 0xff, 0, 0x62, 0))),
    "request that cannot be read",
  );
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0x43), message(MAGIC, 100, encode("/"))]) {
    assertEquals(await read(bytes), undefined);
  }
});

Deno.test("a client that is gone is no error, whatever it left unread", async () => {
  using poller = new Poller();
  const [client, server] = Socket.pair(AF_UNIX, SOCK_STREAM);
  using socket = new CallSocket(server, poller);
  socket.send(ACCEPTED);
  client[Symbol.dispose](); // The kernel says ECONNRESET then.
  assertEquals(await socket.receiveStreams(10_000), undefined);
});

Deno.test("a connection tells whether the process that made it has exited", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "peer-" });
  const path = `${directory}/server.sock`;
  using listener = listenAt(path, { server: "test server", mode: 0o600 });
  const connect = `await Deno.connect({ transport: "unix", path: ${JSON.stringify(path)} });
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--unstable-net", connect],
    stdin: "null",
  }).spawn();
  using poller = new Poller();
  try {
    await poller.readable(listener.descriptor, 60_000);
    using socket = new CallSocket(listener.accept()!, poller);
    const before = socket.peerHasExited;
    child.kill("SIGKILL");
    await child.status;
    const isKnown = before !== undefined; // Linux 6.5
    assertEquals([before, socket.peerHasExited], isKnown ? [false, true] : [undefined, undefined]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
