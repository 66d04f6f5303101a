import { assertEquals } from "@std/assert";
import { constants } from "node:os";
import { errnoInfo, errnoNumber } from "./errno.ts";
import { ownRuntime } from "./own_runtime.ts";

Deno.test("errnoInfo() and errnoNumber() have the C library's names, numbers and texts", () => {
  const { bind } = ownRuntime();
  const { strerror_r } = bind("libc.so.6", { strerror_r: ["pointer", "i32", "buffer", "usize"] });
  const textOf = (number: number) => {
    // GNU's returns the text, in the buffer or not.
    const address = strerror_r(number, new Uint8Array(256), 256) as Deno.PointerObject;
    return new Deno.UnsafePointerView(address).getCString();
  };
  const names = Object.entries(constants.errno).filter(([name]) => errnoNumber(name) !== undefined);
  assertEquals(names.length > 70, true, `only ${names.length}`);
  for (const [name, number] of names) {
    assertEquals(errnoNumber(name), number, name);
  }
  for (let number = 1; number <= 133; number++) {
    const { name, text } = errnoInfo(number);
    assertEquals(text === "unknown error", /^Unknown error/.test(textOf(number)), `${number}`);
    if (text === "unknown error") continue;
    assertEquals([text, errnoNumber(name)], [textOf(number), number]);
  }
});

Deno.test("errnoInfo() and errnoNumber() tell what is unknown", () => {
  for (const number of [0, -1, 41, 134, 1000]) {
    assertEquals(errnoInfo(number), { name: `E${number}`, text: "unknown error" });
  }
  for (const name of ["", "E", "EPER", "Operation", "1", "No such"]) {
    assertEquals(errnoNumber(name), undefined, name);
  }
});
