/** The system bus's client, with a bus that runs in the same thread: neither may stop it to wait. */
import { assertEquals, assertRejects } from "@std/assert";
import { Poller } from "../libc/poller.ts";
import { type OtherCalls, runInCall } from "../runtime/current_call.ts";
import { DbusError, SystemBus } from "./bus.ts";
import { type DbusMessage, messageLength, packMessage, unpackMessage } from "./message.ts";

type Answer = (message: DbusMessage) => Promise<Partial<DbusMessage>> | Partial<DbusMessage>;

/** Serves one connection: authenticates, and answers each method call. */
async function serveBus(listener: Deno.UnixListener, answer: Answer): Promise<void> {
  using connection = await listener.accept();
  const write = async (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
  };
  let received: number[] = [];
  const buffer = new Uint8Array(4096);
  let isIn = false;
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return;
    received.push(...buffer.subarray(0, count));
    if (!isIn) {
      const text = String.fromCharCode(...received);
      if (/^\0AUTH .*\r\n$/.test(text)) await write(new TextEncoder().encode("OK 1234\r\n"));
      isIn = text.includes("BEGIN\r\n");
      if (isIn) received = received.slice(text.indexOf("BEGIN\r\n") + 7);
    }
    for (let length; isIn && (length = messageLength(Uint8Array.from(received)));) {
      if (received.length < length) break;
      const message = unpackMessage(Uint8Array.from(received.splice(0, length)));
      const { serial } = message;
      const reply = { type: METHOD_RETURN, serial, replySerial: serial, ...await answer(message) };
      await write(packMessage({ args: [], ...reply }));
    }
  }
}

/** Runs `work` as a call of a process, with a bus. */
async function withBus(
  others: OtherCalls | undefined,
  answer: Answer,
  work: () => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/bus`;
    using listener = Deno.listen({ transport: "unix", path });
    const served = serveBus(listener, answer);
    await runInCall({
      environment: { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${path}` },
      directory,
      others,
      writeError: () => {},
      inherited: new Set(),
    }, work);
    await served;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Types of messages: D-Bus specification, "Message Format". */
const METHOD_RETURN = 2;
const ERROR = 3;

for (const isServer of [true, false]) {
  const where = isServer ? "in a process of many calls" : "in a process of one";
  Deno.test(`SystemBus waits for answers, and the thread does other things (${where})`, async () => {
    using poller = new Poller();
    const others = {
      isAny: () => true,
      readable: (descriptor: number, ms: number) => poller.readable(descriptor, ms),
    };
    const did: string[] = [];
    await withBus(
      isServer ? others : undefined,
      async ({ member, args: [name] }) => {
        if (member === "Hello") return { args: [":1.1"] };
        await new Promise((resolve) => setTimeout(resolve, 20));
        did.push(`other work before ${name}`);
        return name === "there" ? { args: [":1.0"] } : {
          type: ERROR,
          errorName: `org.freedesktop.DBus.Error.${
            name === "absent" ? "NameHasNoOwner" : "Failed"
          }`,
          args: ["refused"],
        };
      },
      async () => {
        using bus = await SystemBus.connect();
        did.push(`there: ${await bus!.hasOwner("there")}`);
        did.push(`absent: ${await bus!.hasOwner("absent")}`);
        await assertRejects(async () => await bus!.hasOwner("broken"), DbusError, "refused");
      },
    );
    assertEquals(did, [
      "other work before there",
      "there: true",
      "other work before absent",
      "absent: false",
      "other work before broken",
    ]);
  });
}

Deno.test("SystemBus.connect() finds no bus where none listens", async () => {
  await runInCall({
    environment: { DBUS_SYSTEM_BUS_ADDRESS: "unix:path=/nowhere/bus" },
    directory: "/",
    writeError: () => {},
    inherited: new Set(),
  }, async () => assertEquals(await SystemBus.connect(), undefined));
});
