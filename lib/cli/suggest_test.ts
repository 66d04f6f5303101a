import { assertEquals } from "@std/assert";
import { didYouMean, suggest } from "./suggest.ts";

Deno.test("suggest() finds the word that was meant, and none that is not like it", async () => {
  const known = ["add", "check", "del", "gc", "status", "version"];
  const meant: [string, string | undefined][] = [
    ["ad", "add"],
    ["ADD", "add"],
    ["chekc", "check"],
    ["stat", "status"],
    ["vresion", "version"],
    ["delete", undefined],
    ["xyz", undefined],
    ["", undefined],
  ];
  for (const [word, expected] of meant) assertEquals(await suggest(word, known), expected, word);
  assertEquals(await suggest("s", ["status", "set"]), undefined);
  assertEquals(await didYouMean("dell", known), " (did you mean del?)");
  assertEquals(await didYouMean("frob", known), "");
});
