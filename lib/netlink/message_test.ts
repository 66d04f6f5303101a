import { assertEquals } from "@std/assert";
import { bytes } from "../../tests/support/hex.ts";
import {
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  packMessage,
  readOutcome,
  unpackMessages,
} from "./message.ts";

Deno.test("packMessage() counts its header in the length, and pads", () => {
  const message = { type: 18, flags: NLM_F_REQUEST, sequence: 7, payload: bytes("aa bb cc") };
  const wire = bytes("13 00 00 00  12 00  01 00  07 00 00 00  00 00 00 00  aa bb cc 00");
  assertEquals(packMessage(message), wire);
  assertEquals(unpackMessages(wire), [message]);
});

Deno.test("unpackMessages() takes a datagram of several apart, and stops where one is cut off", () => {
  const one = "10 00 00 00  10 00  02 00  07 00 00 00  00 00 00 00";
  assertEquals(unpackMessages(bytes(one + one)).length, 2);
  assertEquals(
    unpackMessages(bytes(`${one} 40 00 00 00 10 00 02 00 07 00 00 00 00 00 00 00`)).length,
    1,
  );
});

Deno.test("readOutcome() has the error number and the kernel's own sentence", () => {
  const [message] = unpackMessages(bytes(`
    38 00 00 00  02 00  00 03  07 00 00 00  00 00 00 00  // NLMSG_ERROR, capped, with attributes
    ef ff ff ff                                          // -17, EEXIST
    20 00 00 00  10 00  05 06  07 00 00 00  00 00 00 00  // the request's header
    14 00 01 00  6e 61 6d 65 20 69 73 20 74 61 6b 65 6e 00 00 00 // NLMSGERR_ATTR_MSG
  `));
  assertEquals(message?.type, NLMSG_ERROR);
  assertEquals(readOutcome(message!), { errno: 17, text: "name is taken" });
});

Deno.test("readOutcome() of a dump's end has no request before its attributes", () => {
  const payload = bytes("ea ff ff ff  08 00 01 00 6e 6f 00 00");
  const done = { type: NLMSG_DONE, flags: 0x202, sequence: 1, payload };
  assertEquals(readOutcome(done), { errno: 22, text: "no" });
});
