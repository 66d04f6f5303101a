import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { bytes } from "../../tests/support/hex.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { SystemError } from "../libc/system_error.ts";
import { s32 } from "../netlink/codec.ts";
import {
  type Message,
  NLM_F_DUMP_INTR,
  NLM_F_ECHO,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  packMessage,
  unpackMessages,
} from "../netlink/message.ts";
import { BatchError, NetlinkError } from "./error.ts";
import { NetlinkSocket } from "./socket.ts";
import { DatagramTooLarge, type Transport } from "./transport.ts";

type Answer = Partial<Message>[] | Error;

/** A kernel that answers each request with the next list of datagrams. */
class Script implements Transport {
  readonly descriptor = -1;
  sent: Message[] = [];
  grown = 0;
  isClosed = false;
  answered?: () => Promise<boolean>;
  #queue: Answer[] = [];

  constructor(private readonly answers: Answer[][]) {}

  send(datagram: Uint8Array<ArrayBuffer>): void {
    this.sent.push(...unpackMessages(datagram));
    this.#queue.push(...this.answers.shift() ?? []);
  }

  receive(): Uint8Array | undefined {
    const next = this.#queue.shift();
    if (!next) return undefined;
    if (next instanceof Error) throw next;
    const sequence = this.sent.at(-1)!.sequence;
    const parts = next.map((message) =>
      packMessage({ type: 16, flags: NLM_F_MULTI, sequence, payload: new Uint8Array(), ...message })
    );
    return new Uint8Array(parts.flatMap((part) => [...part]));
  }

  growReceiveBuffer(): void {
    this.grown++;
  }

  /** Answers once more, to what was sent last. */
  answer(answer: Answer): void {
    this.#queue.push(answer);
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
  }
}

const request = { type: 18, payload: bytes("00 00 00 00"), purpose: "list interfaces" };
const entry = (value: string) => ({ payload: bytes(value) });
const lost = new SystemError("receive", errnoNumber("ENOBUFS")!);
const done = { type: NLMSG_DONE, payload: s32.encode(0) };
const ack = { type: NLMSG_ERROR, flags: 0, payload: s32.encode(0) };

/** The first byte of each payload. */
const firsts = (payloads: Uint8Array[]) => payloads.map(([first]) => first);

Deno.test("dump() puts an answer of several datagrams together", () => {
  const script = new Script([[[entry("01"), entry("02")], [entry("03")], [done]]]);
  assertEquals(firsts(new NetlinkSocket(script).dump(request)), [1, 2, 3]);
});

Deno.test("dump() asks again when the table changed on the way", () => {
  const interrupted = { ...entry("01"), flags: NLM_F_MULTI | NLM_F_DUMP_INTR };
  const late = { ...done, flags: NLM_F_MULTI | NLM_F_DUMP_INTR };
  const script = new Script([
    [[interrupted, entry("02"), done]],
    [[entry("01")], [late]],
    [[entry("01"), entry("02"), entry("03"), done]],
  ]);
  assertEquals(firsts(new NetlinkSocket(script).dump(request)), [1, 2, 3]);
  assertEquals(script.sent.length, 3);
});

Deno.test("dump() gives up on a table that changes during every attempt, and says so", () => {
  const interrupted = { ...done, flags: NLM_F_DUMP_INTR };
  const script = new Script(Array.from({ length: 100 }, () => [[interrupted]]));
  const error = assertThrows(
    () => new NetlinkSocket(script).dump(request),
    NetlinkError,
    "cannot list interfaces: EAGAIN",
  );
  assertEquals([error.code, script.sent.length], ["EAGAIN", 100]);
});

Deno.test("dump() makes room and asks again when answers were lost", () => {
  const script = new Script([
    [[entry("01")], lost, [entry("03")], [done]],
    [[entry("01"), entry("02"), entry("03"), done]],
  ]);
  assertEquals(firsts(new NetlinkSocket(script).dump(request)), [1, 2, 3]);
  assertEquals(script.grown, 1);
});

Deno.test("request() passes over what belongs to an earlier request", () => {
  const stale = { ...entry("09"), sequence: 4711 };
  const script = new Script([[[stale, entry("01")], [ack]]]);
  assertEquals(firsts(new NetlinkSocket(script).request(request)), [1]);
});

Deno.test("request() fails with errno's name, what was asked for, and each request's own number", () => {
  const refused = { ...ack, payload: s32.encode(-17) };
  const script = new Script([[[refused]], [[ack]]]);
  const socket = new NetlinkSocket(script);
  const error = assertThrows(() => socket.request({ ...request, purpose: "add x" }), NetlinkError);
  assertEquals([error.code, error.message], ["EEXIST", "cannot add x: EEXIST (File exists)"]);
  socket.request(request);
  assertEquals(script.sent.map(({ sequence }) => sequence), [1, 2]);
});

Deno.test("request() returns nothing where a refusal says that there is nothing", () => {
  const refused = (errno: number) => ({ ...ack, payload: s32.encode(-errno) });
  const script = new Script([[[refused(2)]], [[refused(1)]]]);
  const socket = new NetlinkSocket(script);
  assertEquals(socket.request({ ...request, nothing: [22, 2] }), []);
  const error = assertThrows(() => socket.request({ ...request, nothing: [2] }), NetlinkError);
  assertEquals(error.code, "EPERM");
});

Deno.test("request() says so when its answer was lost, or none came", () => {
  const script = new Script([[lost], []]);
  const socket = new NetlinkSocket(script);
  const codes = [1, 2].map(() => assertThrows(() => socket.request(request), NetlinkError).code);
  assertEquals(codes, ["ENOBUFS", "EAGAIN"]);
});

const removal = {
  type: 17,
  flags: NLM_F_ECHO,
  endsWithEcho: true,
  payload: bytes("00"),
  purpose: "remove x",
};
const echo = { ...entry("07"), flags: 0 };

Deno.test("requestMeanwhile() is over with the kernel's echo, or its acknowledgement or refusal", async () => {
  const refused = { ...ack, payload: s32.encode(-19) };
  const script = new Script([[[echo]], [[ack]], [[refused]], [[echo], [ack]]]);
  script.answered = () => Promise.reject(new Error("nothing is waited for"));
  const ask = () => new NetlinkSocket(script).requestMeanwhile(removal);
  assertEquals(firsts(await ask()), [7]);
  assertEquals(firsts(await ask()), []);
  assertEquals((await assertRejects(ask, NetlinkError)).code, "ENODEV");
  assertEquals(firsts(await ask()), [7]);
  assertEquals(script.sent.map(({ flags }) => flags), [0xd, 0xd, 0xd, 0xd]); // REQUEST, ACK, ECHO
});

Deno.test("a socket whose request is over sends no other one by another thread until it is acknowledged", async () => {
  const script = new Script([[[echo]], [[ack]]]);
  const late = Promise.withResolvers<boolean>();
  let waits = 0;
  script.answered = () => {
    waits++;
    return late.promise;
  };
  const socket = new NetlinkSocket(script);
  await socket.requestMeanwhile(removal);
  const next = socket.requestMeanwhile(request);
  await Promise.resolve();
  assertEquals([script.sent.length, waits], [1, 1]);
  script.answer([ack]);
  late.resolve(true);
  await next;
  assertEquals(script.sent.length, 2);
});

Deno.test("a socket whose request is over is closed once it is acknowledged, or never will be", async () => {
  for (const isAnswered of [true, false]) {
    const script = new Script([[[echo]]]);
    const late = Promise.withResolvers<boolean>();
    script.answered = () => late.promise;
    const socket = new NetlinkSocket(script);
    await socket.requestMeanwhile(removal);
    socket[Symbol.dispose]();
    await Promise.resolve();
    assertEquals(script.isClosed, false);
    if (isAnswered) script.answer([ack]);
    late.resolve(isAnswered);
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(script.isClosed, true);
  }
});

Deno.test("a socket whose request is over is closed, whatever becomes of its acknowledgement", async () => {
  for (const answer of [[ack], lost, new SystemError("receive", errnoNumber("ENOMEM")!)]) {
    const script = new Script([[[echo], answer]]);
    const socket = new NetlinkSocket(script);
    await socket.requestMeanwhile(removal);
    socket[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(script.isClosed, true);
  }
});

const frame = {
  begin: { type: 16, payload: bytes("00 00 00 00") },
  end: { type: 17, payload: bytes("00 00 00 00") },
};
const requests = ["a", "b", "c"].map((purpose) => ({ ...request, purpose }));

/** An answer to a message of a batch: 1 is the beginning, its first request 2. */
const answer = (sequence: number, errno = 0) => ({
  ...ack,
  sequence,
  payload: s32.encode(-errno),
});

function batch(...answers: Answer[]) {
  const script = new Script([answers]);
  const run = () => new NetlinkSocket(script).batch(requests, "tidy up", frame);
  return { script, run };
}

Deno.test("batch() frames the requests, and asks for the last one's acknowledgement only", () => {
  const { script, run } = batch([answer(4)]);
  run();
  assertEquals(
    script.sent.map(({ type, flags, sequence }) => [type, flags, sequence]),
    [[16, 1, 1], [18, 1, 2], [18, 1, 3], [18, 5, 4], [17, 1, 5]],
  );
});

const together = (...answers: Answer[]) => {
  const script = new Script([answers]);
  return { script, done: new NetlinkSocket(script).requestAllMeanwhile(requests) };
};

Deno.test("requestAllMeanwhile() sends one datagram, of which the last message is acknowledged", async () => {
  const { script, done } = together([answer(3)]);
  await done;
  assertEquals(
    script.sent.map(({ type, flags, sequence }) => [type, flags, sequence]),
    [[18, 1, 1], [18, 1, 2], [18, 5, 3]],
  );
});

Deno.test("requestAllMeanwhile() fails with the first refusal, in the request's own words", async () => {
  const { done } = together([answer(2, 17)], [answer(3, 16)]);
  const error = await assertRejects(() => done, NetlinkError);
  assertEquals(error.message, "cannot b: EEXIST (File exists)");
});

Deno.test("requestAllMeanwhile() says so when answers were lost, or none came", async () => {
  const cases: [Answer[], string][] = [[[lost, [answer(3)]], "ENOBUFS"], [[], "EAGAIN"]];
  for (const [answers, code] of cases) {
    const { done } = together(...answers);
    const error = await assertRejects(() => done, NetlinkError, "cannot c: ");
    assertEquals([error.code, error.isUnknown], [code, true]);
  }
});

/** Adds answers to a script one by one, each when it is waited for. */
function late(script: Script, ...answers: Answer[]): void {
  script.answered = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    const answer = answers.shift();
    if (answer) script.answer(answer);
    return answer !== undefined;
  };
}

Deno.test("requestMeanwhile() waits for each part of its answer while others go on", async () => {
  const script = new Script([]);
  late(script, [entry("01")], [entry("02")], [ack]);
  assertEquals(firsts(await new NetlinkSocket(script).requestMeanwhile(request)), [1, 2]);
});

Deno.test("requestAllMeanwhile() waits for each answer while others go on", async () => {
  const script = new Script([]);
  late(script, [answer(1, 17)], [answer(2, 16)], [answer(3)]);
  const error = await assertRejects(() => new NetlinkSocket(script).requestAllMeanwhile(requests));
  assertEquals((error as Error).message, "cannot a: EEXIST (File exists)");
  const { sequence } = script.sent.at(-1)!;
  assertEquals([sequence, await script.answered!()], [3, false]);
});

Deno.test("an answer that never comes is waited for as long as there may be one", async () => {
  const script = new Script([]);
  late(script, [answer(1, 17)], [answer(2)]);
  const error = await assertRejects(
    () => new NetlinkSocket(script).requestAllMeanwhile(requests),
    NetlinkError,
  );
  assertEquals(
    error.message,
    "cannot c: EAGAIN (Resource temporarily unavailable): the kernel did not answer",
  );
});

Deno.test("batch() fails with the first request that the kernel refuses, and how many it did", () => {
  const { run } = batch([answer(3, 2)], [answer(4, 16)]);
  const error = assertThrows(run, BatchError);
  assertEquals(
    error.message,
    "cannot tidy up (b, message 2 of 3): ENOENT (No such file or directory): 2 messages were refused",
  );
  assertEquals(error.refusals.map(({ index, errno }) => [index, errno]), [[1, 2], [2, 16]]);
});

Deno.test("batch() says what the kernel says of the first refusal", () => {
  const words = bytes("08 00 01 00 6f 64 64 00"); // NLMSGERR_ATTR_MSG
  const header = new Uint8Array(16); // the refused message's, without its payload
  const payload = new Uint8Array([...s32.encode(-22), ...header, ...words]);
  const { run } = batch([{ ...answer(2, 22), flags: 0x300, payload }, answer(4)]);
  const error = assertThrows(run, BatchError);
  assertEquals(error.message, "cannot tidy up (a, message 1 of 3): EINVAL (Invalid argument): odd");
});

Deno.test("batch() fails when the kernel refuses to begin, without waiting for more", () => {
  const { run } = batch([answer(1, 85)]);
  const error = assertThrows(run, BatchError);
  assertEquals([error.code, error.refusals], ["ERESTART", []]);
});

Deno.test("batch() fails with what was refused first when later answers were lost", () => {
  const { run } = batch([answer(2, 2)], lost, [answer(3, 2)]);
  assertEquals(assertThrows(run, BatchError).code, "ENOENT");
});

Deno.test("batch() says that the outcome is unknown when acknowledgements were lost", () => {
  for (const answers of [[lost], [lost, [answer(4)]]]) {
    const { run } = batch(...answers);
    const error = assertThrows(run, BatchError, "cannot tidy up (3 messages): ENOBUFS");
    assertEquals(error.code, "ENOBUFS");
  }
});

Deno.test("batch() leaves nothing in the way of what is asked afterwards", () => {
  const script = new Script([[lost, [answer(2, 2)], [answer(4)]], [[entry("01")], [done]]]);
  const socket = new NetlinkSocket(script);
  assertThrows(() => socket.batch(requests, "tidy up", frame), BatchError);
  assertEquals(firsts(socket.dump(request)), [1]);
});

Deno.test("batch() fails before anything is sent when it is too large, with size and limit", () => {
  const { script, run } = batch();
  script.send = ({ length }) => {
    throw new DatagramTooLarge("send", length, 64);
  };
  const error = assertThrows(run, DatagramTooLarge, "cannot tidy up (3 messages): EMSGSIZE");
  assertEquals([error.size, error.limit], [5 * 20, 64]);
});
