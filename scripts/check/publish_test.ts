import { assertEquals } from "@std/assert";
import { unexplained } from "./publish.ts";

Deno.test("warnings of deno publish without an explanation are found, and explanations without one", () => {
  const said = `warning[unanalyzable-dynamic-import]: unable to analyze dynamic import
  --> /p/lib/a.ts:23:18
   |
23 |     await import(module);

warning[missing-license]: there is no license
  --> /p/deno.json:1:1
`;
  const explained = { "lib/a.ts: unanalyzable-dynamic-import": "", "lib/b.ts: slow-types": "" };
  assertEquals(unexplained(said, explained, "/p"), [
    "deno.json:1: deno publish: there is no license [missing-license]",
    "scripts/check/publish.ts explains lib/b.ts: slow-types, which is gone",
  ]);
});
