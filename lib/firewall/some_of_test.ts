import { assertEquals } from "@std/assert";
import { someOf } from "./some_of.ts";

Deno.test("someOf() names three at most, and says how many there are", () => {
  const names = ["a", "b", "c", "d", "e"];
  assertEquals([1, 3, 4, 5].map((count) => someOf(names.slice(0, count))), [
    "a",
    "a, b, c",
    "a, b, c and 1 more",
    "a, b, c and 2 more",
  ]);
});
