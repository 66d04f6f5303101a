import { assertEquals, assertThrows } from "@std/assert";
import {
  MalformedMessage,
  messageLength,
  METHOD_CALL,
  packMessage,
  unpackMessage,
} from "./message.ts";
import { hexOf } from "../runtime/hex.ts";

Deno.test("packMessage() writes what unpackMessage() and messageLength() read", () => {
  const message = {
    type: METHOD_CALL,
    serial: 2,
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "GetNameOwner",
    destination: "org.freedesktop.DBus",
    args: ["a.b"],
  };
  const bytes = packMessage(message);
  // Byte order, type, no auto-start, version, body length.
  assertEquals(hexOf(bytes).slice(0, 16), "6c01020108000000");
  // The path's field; a signature of one string; the body.
  for (const part of ["01016f0015000000", "0801670001730000", "03000000612e6200"]) {
    assertEquals(hexOf(bytes).includes(part), true, part);
  }
  assertEquals(messageLength(bytes.subarray(0, 15)), undefined);
  assertEquals(messageLength(bytes), bytes.length);
  assertEquals(unpackMessage(bytes), { ...message, signature: "s" } as unknown as typeof message);
});

Deno.test("what is no message is refused, and nobody waits for its end", () => {
  const bytes = packMessage({ type: 2, serial: 1, replySerial: 1, args: ["a.b"] });
  const changed = (at: number, ...values: number[]) => {
    const copy = bytes.slice();
    copy.set(values, at);
    return copy;
  };
  for (const [at, ...values] of [[0, 0x78], [3, 2], [4, 255, 255, 255, 255], [15, 255]]) {
    assertThrows(() => messageLength(changed(at!, ...values)), MalformedMessage);
  }
  // The type of a field; the length of the argument; fields beyond the end.
  for (const [at, ...values] of [[18, 0x78], [bytes.length - 8, 200], [12, 200]]) {
    assertThrows(() => unpackMessage(changed(at!, ...values)), MalformedMessage);
  }
  assertThrows(() => unpackMessage(bytes.subarray(0, bytes.length - 3)), MalformedMessage);
});
