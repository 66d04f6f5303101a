import { assertEquals, assertThrows } from "@std/assert";
import { toFlags } from "./permissions.ts";

Deno.test("toFlags() grants what is named and nothing else", () => {
  assertEquals(toFlags({}, "p"), []);
  assertEquals(toFlags({ env: true, run: ["nft", "iptables"] }, "p"), [
    "--allow-env",
    "--allow-run=nft,iptables",
  ]);
  assertEquals(toFlags("all", "p"), ["--allow-all"]);
});

Deno.test("toFlags() refuses what it does not understand, rather than granting more or less", () => {
  for (const bad of [true, null, [], "read", { reed: true }, { read: false }, { read: [] }]) {
    assertThrows(() => toFlags(bad, "p.json"), Error, "p.json: ");
  }
  // An item with a comma would be two for Deno, and an empty list everything.
  assertThrows(() => toFlags({ write: ["/a,/b"] }, "p.json"), Error, "without commas");
  assertThrows(() => toFlags({ write: [""] }, "p.json"), Error, "without commas");
});
