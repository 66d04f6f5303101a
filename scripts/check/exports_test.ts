import { assertEquals } from "@std/assert";
import { findings } from "./exports.ts";

Deno.test("an entry that leads to zod, one that renames, and one that is not there are found", () => {
  const files = Object.entries({
    "plugin.ts": 'export { readOptions } from "./lib/types/options.ts";',
    "schema.ts": 'export { string } from "./lib/types/schema.ts";',
    "types.ts": 'export type { Route as ResultRoute } from "./lib/types/result.ts";',
    "lib/types/options.ts": 'import type { Schema } from "./schema.ts";',
    "lib/types/schema.ts": 'import * as z from "../deps/zod.ts";',
    "lib/deps/zod.ts": "",
    "lib/types/result.ts": "",
  }).map(([path, text]) => ({ path, text }));
  assertEquals(findings(files, ["plugin.ts", "schema.ts", "types.ts", "gone.ts"]), [
    "plugin.ts imports lib/types/options.ts imports lib/types/schema.ts imports lib/deps/zod.ts: " +
    "only those with options are to load it",
    "types.ts exports Route as ResultRoute: give it that name where it is declared",
    "deno.json exports gone.ts, which is not there",
  ]);
});
