import { assertEquals, assertThrows } from "@std/assert";
import { ip } from "../netlink/codec.ts";
import { readAnswer, readAnswers } from "./answers.ts";
import { NetlinkError } from "./error.ts";

const ADDRESS = Uint8Array.of(10, 1, 2, 3);

Deno.test("readAnswers() reads every answer, readAnswer() the first", () => {
  const answers = [ADDRESS, Uint8Array.of(10, 1, 2, 4)];
  assertEquals(readAnswers(answers, "list", ip.decode).map(String), ["10.1.2.3", "10.1.2.4"]);
  assertEquals(String(readAnswer(answers, "find", ip.decode)), "10.1.2.3");
});

Deno.test("an answer that is missing, or cannot be read, is an error that says for what", () => {
  const unreadable = [ADDRESS, ADDRESS.subarray(1)];
  const error = assertThrows(() => readAnswers(unreadable, "list addresses", ip.decode));
  assertEquals(error instanceof NetlinkError && error.code, "EBADMSG");
  assertEquals(
    (error as Error).message,
    "cannot list addresses: EBADMSG (Bad message): the kernel's answer: an IP address has 4 or " +
      "16 bytes, not 3",
  );
  assertThrows(() => readAnswer([], "find a link", ip.decode), NetlinkError, "cannot find a link");
});
