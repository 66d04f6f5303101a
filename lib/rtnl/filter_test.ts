import { assertEquals } from "@std/assert";
import { Cidr } from "../ip/cidr.ts";
import { keysOf } from "./filter.ts";
import { hexOf } from "../runtime/hex.ts";

Deno.test("keysOf() compares the words that the prefix reaches", () => {
  const keys = (end: "source" | "destination", network: string) =>
    keysOf({ end, network: Cidr.parse(network) }).map(({ value, mask, offset }) =>
      `${hexOf(value)}/${hexOf(mask)} at ${offset}`
    );
  // As `tc filter show` prints them.
  assertEquals(keys("source", "10.1.2.3/8"), ["0a000000/ff000000 at 12"]);
  assertEquals(keys("destination", "10.1.2.3/32"), ["0a010203/ffffffff at 16"]);
  assertEquals(keys("source", "0.0.0.0/0"), ["00000000/00000000 at 12"]);
  assertEquals(keys("source", "fd00::/16"), ["fd000000/ffff0000 at 8"]);
  assertEquals(keys("destination", "fd00:1:2:3::/48"), [
    "fd000001/ffffffff at 24",
    "00020000/ffff0000 at 28",
  ]);
});
