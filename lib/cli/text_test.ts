import { assertEquals } from "@std/assert";
import { columns, duration } from "./text.ts";

Deno.test("columns() lines cells up, and leaves nothing behind the last one", () => {
  assertEquals(columns([["a", "long", ""], ["bcd", "x", "y"]], " "), [
    " a    long",
    " bcd  x     y",
  ]);
  assertEquals(columns([]), []);
});

Deno.test("duration() tells the two largest units", () => {
  const texts = [0, 999, 61_000, 3_600_000, 90_061_000, 864_000_000, -5].map(duration);
  assertEquals(texts, ["0s", "0s", "1m1s", "1h", "1d1h", "10d", "0s"]);
});
