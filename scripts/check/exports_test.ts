import { assertEquals } from "@std/assert";
import { publicEntries } from "../support/public_entries.ts";
import { ROOT } from "../support/root.ts";
import { findings } from "./exports.ts";
import { sources } from "./sources.ts";

Deno.test("an entry that leads to zod, one that renames, a name of two types, and a file that is gone are found", () => {
  const files = Object.entries({
    "plugin.ts": 'export { readOptions } from "./lib/types/options.ts";',
    "schema.ts": 'export { string } from "./lib/types/schema.ts";',
    "types.ts": 'export type { Route as ResultRoute } from "./lib/types/result.ts";',
    "lib/types/options.ts": 'import type { Schema } from "./schema.ts";',
    "lib/types/schema.ts": 'import * as z from "../deps/zod.ts";',
    "lib/deps/zod.ts": "",
    "lib/types/result.ts": "export interface Route {}",
    "lib/rtnl/route.ts": "export interface Route {}",
  }).map(([path, text]) => ({ path, text }));
  assertEquals(findings(files, ["plugin.ts", "schema.ts", "types.ts", "gone.ts"]), [
    "plugin.ts imports lib/types/options.ts imports lib/types/schema.ts imports lib/deps/zod.ts: " +
    "only those with options are to load it",
    "types.ts exports Route as ResultRoute: give it that name where it is declared",
    "types.ts exports Route, and lib/types/result.ts and lib/rtnl/route.ts are two",
    "deno.json exports gone.ts, which is not there",
  ]);
});

Deno.test("constants that the public documentation names are exported", () => {
  const { stdout } = new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...publicEntries()],
    cwd: ROOT,
    stderr: "null",
  }).outputSync();
  const documentation = JSON.parse(new TextDecoder().decode(stdout));
  const named = new Set<string>();
  JSON.stringify(documentation, (key, value) => {
    if (key === "doc" && typeof value === "string") {
      for (const [name] of value.matchAll(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]\b/g)) {
        named.add(name);
      }
    }
    return value;
  });
  const files = sources();
  const declared = files.filter(({ path }) => path.startsWith("lib/"))
    .flatMap(({ text }) => Array.from(text.matchAll(/^export const (\w+)/gm), ([, name]) => name!));
  const exported = files.filter(({ path }) => publicEntries().includes(path))
    .flatMap(({ text }) => text.match(/\b\w+\b/g) ?? []);
  const hidden = declared.filter((name) => named.has(name) && !exported.includes(name));
  assertEquals([hidden, named.has("IFF_PROMISC")], [[], true]);
});
