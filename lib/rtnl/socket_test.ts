import { assertEquals, assertThrows } from "@std/assert";
import { bytes } from "../../tests/support/hex.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { SystemError } from "../libc/system_error.ts";
import { s32 } from "../netlink/codec.ts";
import {
  type Message,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  packMessage,
  unpackMessages,
} from "../netlink/message.ts";
import { NetlinkError, NetlinkSocket } from "./socket.ts";
import type { Transport } from "./transport.ts";

type Answer = Partial<Message>[] | Error;

/** A kernel that answers each request with the next list of datagrams. */
class Script implements Transport {
  sent: Message[] = [];
  grown = 0;
  #queue: Answer[] = [];

  constructor(private readonly answers: Answer[][]) {}

  send(datagram: Uint8Array<ArrayBuffer>): void {
    this.sent.push(...unpackMessages(datagram));
    this.#queue = this.answers.shift() ?? [];
  }

  receive(): Uint8Array {
    const next = this.#queue.shift();
    if (!next) throw new Error("asked for more than there is");
    if (next instanceof Error) throw next;
    const sequence = this.sent.at(-1)!.sequence;
    const parts = next.map((message) =>
      packMessage({ type: 16, flags: NLM_F_MULTI, sequence, payload: new Uint8Array(), ...message })
    );
    return new Uint8Array(parts.flatMap((part) => [...part]));
  }

  grow(): void {
    this.grown++;
  }

  [Symbol.dispose](): void {}
}

const request = { type: 18, payload: bytes("00 00 00 00"), purpose: "list interfaces" };
const entry = (value: string) => ({ payload: bytes(value) });
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

Deno.test("dump() gives up on a table that never rests, and says so", () => {
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
  const lost = new SystemError("receive", errnoNumber("ENOBUFS")!);
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

const [begin, end] = [{ ...request, type: 16 }, { ...request, type: 17 }];

/** A kernel that answers to each sequence number what it is told to; batches begin with 1. */
function answering(answers: Record<number, number>) {
  const list = Object.entries(answers).map(([sequence, errno]) => ({
    ...ack,
    sequence: Number(sequence),
    payload: s32.encode(-errno),
  }));
  return new Script([[list.slice(0, 1), list.slice(1)].filter(({ length }) => length > 0)]);
}

Deno.test("batch() frames the requests, and waits for the answer to each", () => {
  const script = answering({ 2: 0, 3: 0 });
  new NetlinkSocket(script).batch(begin, [request, request], end);
  assertEquals(
    script.sent.map(({ type, flags, sequence }) => [type, flags, sequence]),
    [[16, 1, 1], [18, 5, 2], [18, 5, 3], [17, 1, 4]],
  );
});

Deno.test("batch() fails with the first request that the kernel refuses", () => {
  const requests = ["a", "b", "c"].map((purpose) => ({ ...request, purpose }));
  const socket = new NetlinkSocket(answering({ 2: 0, 3: 2, 4: 16 }));
  const error = assertThrows(() => socket.batch(begin, requests, end), NetlinkError);
  assertEquals(error.message, "cannot b: ENOENT (No such file or directory)");
});

Deno.test("batch() fails when the kernel refuses to begin, without waiting for more", () => {
  const socket = new NetlinkSocket(answering({ 1: 85 }));
  const error = assertThrows(() => socket.batch(begin, [request], end), NetlinkError);
  assertEquals(error.code, "ERESTART");
});
