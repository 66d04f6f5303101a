import { assertEquals } from "@std/assert";
import { decodeNames } from "./names.ts";

Deno.test("decodeNames() ends whatever the pointers say", () => {
  assertEquals(decodeNames(Uint8Array.of(1, 97, 0, 1, 98, 0xc0, 0)), ["a", "b.a"]);
  assertEquals(decodeNames(new Uint8Array(0)), []);
  for (
    const bad of [
      [0xc0, 0], // to itself
      [1, 97, 0xc0, 2], // to itself, from within
      [1, 97, 0xc0, 9], // forward
      [1, 97], // no end
      [5, 97, 0], // longer than there is
      [0x40, 97, 0], // no such kind of label
      [0], // no name
      [1, 10, 0], // no letter
    ]
  ) {
    assertEquals(decodeNames(Uint8Array.from(bad)), undefined, bad.join());
  }
});
