/**
 * D-Bus: the system bus and firewalld answer with messages that were right once. A call returns
 * texts, or refuses with an error for people; nobody waits for the rest of a message that is none.
 *
 * @module
 */
import fc from "fast-check";
import { SystemBus } from "../../../lib/dbus/bus.ts";
import {
  MalformedMessage,
  messageLength,
  packMessage,
  unpackMessage,
} from "../../../lib/dbus/message.ts";
import { SystemError } from "../../../lib/libc/system_error.ts";
import { runInCall } from "../../../lib/runtime/current_call.ts";
import { CniError } from "../../../lib/types/error.ts";
import { mutatedBytes, WORDS } from "../../support/faults/mutate.ts";
import { checkSeeded, type Runs } from "../../support/faults/seeded.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";

const PATH = "/run/test/bus";
const RETURN = 2;
const ERROR = 3;
const SIGNAL = 4;

const FIREWALLD = {
  destination: "org.fedoraproject.FirewallD1",
  path: "/org/fedoraproject/FirewallD1",
  interface: "org.fedoraproject.FirewallD1.zone",
} as const;

/** What the three calls are answered with: Hello, GetNameOwner, a method of firewalld's. */
const ANSWERS: readonly Uint8Array[][] = [
  [packMessage({ type: RETURN, serial: 1, replySerial: 1, args: [":1.7"] })],
  [
    packMessage({ type: RETURN, serial: 2, replySerial: 2, args: [":1.3"] }),
    packMessage({
      ...{ type: ERROR, serial: 2, replySerial: 2, args: ["nobody"] },
      errorName: "org.freedesktop.DBus.Error.NameHasNoOwner",
    }),
  ],
  [
    packMessage({ type: RETURN, serial: 3, replySerial: 3, args: ["trusted"] }),
    packMessage({
      ...{ type: ERROR, serial: 3, replySerial: 3, args: ["ALREADY_ENABLED: '10.1.2.3'"] },
      errorName: "org.fedoraproject.FirewallD1.Exception",
    }),
    Uint8Array.of(
      ...packMessage({ type: SIGNAL, serial: 9, member: "Reloaded", args: [] }),
      ...packMessage({ type: RETURN, serial: 3, replySerial: 3, args: [...WORDS.slice(0, 9)] }),
    ),
  ],
];

/** What a worker is told, and that it has heard. */
async function tell(worker: Worker, message: unknown): Promise<void> {
  await new Promise((resolve) => {
    worker.addEventListener("message", resolve, { once: true });
    worker.postMessage(message);
  });
}

/** Reads a message that may be none. @throws what is no error for people */
export function readDbusMessage(bytes: Uint8Array): void {
  try {
    const length = messageLength(bytes);
    if (length === undefined || length > bytes.length) return;
    const { args } = unpackMessage(bytes.subarray(0, length));
    if (!args.every((text) => typeof text === "string")) throw new Error(`no texts: ${args}`);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
  }
}

/** Reads damaged messages. */
export async function fuzzDbusMessages(room: FaultRoom, runs: Runs): Promise<void> {
  const damaged = fc.constantFrom(...ANSWERS.flat()).chain(mutatedBytes);
  room.count("D-Bus messages", await checkSeeded(room, damaged, readDbusMessage, runs));
}

/** Damages one answer of a bus again and again. */
export async function fuzzBus(room: FaultRoom, runs: Runs): Promise<void> {
  const worker = new Worker(new URL("./bus_worker.ts", import.meta.url).href, { type: "module" });
  await tell(worker, PATH);
  const whole = fc.tuple(...ANSWERS.map((several) => fc.constantFrom(...several)));
  const damaged = whole.chain((answers) =>
    fc.nat(answers.length - 1).chain((which) =>
      mutatedBytes(answers[which]!).map((bytes) =>
        answers.map((answer, i) => i === which ? bytes : answer)
      )
    )
  );
  let refused = 0;
  try {
    const number = await checkSeeded(room, damaged, async (answers) => {
      await tell(worker, answers);
      const start = performance.now();
      try {
        await callFirewalld();
      } catch (error) {
        if (!isForPeople(error)) throw error;
        refused++;
      }
      if (performance.now() - start > 10_000) throw new Error("it took more than 10 s");
    }, runs);
    room.count("D-Bus answers", number);
    room.count("refused", refused);
  } finally {
    worker.terminate();
  }
}

/** Whether an error says what was wrong, and is no mistake of the code. */
function isForPeople(error: unknown): boolean {
  if (error instanceof SystemError) return true;
  return error instanceof CniError && (error.cause === undefined || isForPeople(error.cause));
}

/** What the firewall plugin asks. */
async function callFirewalld(): Promise<void> {
  const call = {
    environment: { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${PATH}` },
    directory: "/",
    writeError() {},
    inherited: new Set<number>(),
  };
  await runInCall(call, async () => {
    using bus = await SystemBus.connect();
    if (!bus) throw new Error("there is no bus");
    await bus.hasOwner(FIREWALLD.destination);
    const args = ["trusted", "10.1.2.3"];
    const texts = await bus.call({ ...FIREWALLD, member: "addSource", args });
    if (!texts.every((text) => typeof text === "string")) throw new Error(`no texts: ${texts}`);
  });
}
