import { assert, assertEquals, assertThrows } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { decodeMessage, encodeMessage, type Message } from "./message.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** A server's message with the given fields behind the fixed part. */
function reply(
  options: number[],
  { file = [], sname = [] }: { file?: number[]; sname?: number[] } = {},
) {
  const bytes = new Uint8Array(240 + options.length);
  bytes.set([2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
  bytes.set([10, 1, 2, 3], 16);
  bytes.set([2, 0, 0, 0, 0, 7], 28);
  bytes.set(sname, 44);
  bytes.set(file, 108);
  bytes.set([0x63, 0x82, 0x53, 0x63, ...options], 236);
  return bytes;
}

/** What is read of bytes that are a message. */
function decoded(bytes: Uint8Array): Message {
  const message = decodeMessage(bytes);
  assert(message && !("malformed" in message), JSON.stringify(message));
  return message;
}

/** What is wrong with bytes that should be a message. */
function problemOf(bytes: Uint8Array): string | undefined {
  const message = decodeMessage(bytes);
  assert(message && "malformed" in message);
  assertEquals(message.xid, 0x12345678);
  return message.malformed;
}

Deno.test("encodeMessage() writes what RFC 2131 draws", () => {
  const bytes = encodeMessage({
    xid: 0xdeadbeef,
    seconds: 3,
    broadcast: true,
    clientAddress: IpAddress.parse("10.1.2.3"),
    hardware: Uint8Array.of(2, 0, 0, 0, 0, 7),
    options: new Map([[53, Uint8Array.of(1)], [61, text("ab")]]),
  });
  assertEquals(bytes.length, 300);
  assertEquals([...bytes.subarray(0, 16)], [
    1,
    1,
    6,
    0,
    222,
    173,
    190,
    239,
    0,
    3,
    128,
    0,
    10,
    1,
    2,
    3,
  ]);
  assertEquals([...bytes.subarray(28, 36)], [2, 0, 0, 0, 0, 7, 0, 0]);
  assertEquals([...bytes.subarray(236, 249)], [99, 130, 83, 99, 53, 1, 1, 61, 2, 97, 98, 255, 0]);
  const long = new Map([[12, new Uint8Array(256)]]);
  const message = { xid: 1, seconds: 0, broadcast: false, hardware: new Uint8Array(6) };
  const clientAddress = IpAddress.parse("0.0.0.0");
  assertThrows(() => encodeMessage({ ...message, clientAddress, options: long }), RangeError);
});

Deno.test("decodeMessage() reads what servers write", () => {
  const message = decoded(reply([0, 53, 1, 5, 54, 4, 10, 1, 2, 1, 255, 9, 9]));
  assertEquals(message.xid, 0x12345678);
  assertEquals(String(message.yourAddress), "10.1.2.3");
  assertEquals([...message.hardware], [2, 0, 0, 0, 0, 7]);
  assertEquals([...message.options.keys()], [53, 54]);
  // Without an end, as some do.
  assertEquals(decoded(reply([53, 1, 5])).options.size, 1);
});

Deno.test("decodeMessage() joins options in pieces, and follows them into other fields", () => {
  const fields = { file: [15, 2, 97, 98, 255], sname: [15, 1, 99, 255] };
  const message = decoded(reply([52, 1, 3, 15, 1, 120, 255], fields));
  assertEquals(new TextDecoder().decode(message.options.get(15)), "xabc");
  assertEquals(decoded(reply([15, 1, 120, 255], fields)).options.get(15)?.length, 1);
});

Deno.test("decodeMessage() says what is wrong with an answer that is cut short", () => {
  const good = reply([53, 1, 5, 255]);
  assertEquals(decodeMessage(good.subarray(0, 239)), undefined);
  for (const [offset, value] of [[0, 1], [1, 6], [2, 17], [236, 0]] as const) {
    assertEquals(decodeMessage(good.with(offset, value)), undefined, `byte ${offset}`);
  }
  assertEquals(problemOf(reply([53])), "the message ends within option 53");
  assertEquals(problemOf(reply([53, 2, 5])), "option 53 has 2 bytes, but only 1 is left");
  const overloaded = reply([52, 1, 1, 255], { file: [15, 200] });
  assertEquals(problemOf(overloaded), "option 15 has 200 bytes, but only 126 are left");
});
