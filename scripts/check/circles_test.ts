import { assertEquals } from "@std/assert";
import { findings } from "./circles.ts";

/** Files by name, each with what it holds. */
const circles = (files: Record<string, string>) =>
  findings(Object.entries(files).map(([path, text]) => ({ path, text })));

Deno.test("a circle is found, whichever way a file is imported", () => {
  const circle = ["lib/a.ts imports lib/b.ts imports lib/a.ts: a circle"];
  for (
    const back of [
      'import { a } from "./a.ts";',
      'import type { A } from "./a.ts";',
      'export * from "./a.ts";',
      'import "./a.ts";',
      'const { a } = await import("./a.ts");',
      'import {\n  a, // it\'s the first; "the" one\n  type B,\n} from "./a.ts";',
      "const { a } = await import(`./a.ts`);",
      'type A = typeof import("./a.ts");',
      'new Worker(new URL("./a.ts", import.meta.url), { type: "module" });',
      "new Worker(new URL(`./a.ts`, import.meta.url).href);",
      'new Worker(import.meta.resolve("./a.ts"), { type: "module" });',
    ]
  ) {
    assertEquals(circles({ "lib/a.ts": 'import "./b.ts";', "lib/b.ts": back }), circle, back);
  }
  const itself = 'import "../lib/a.ts";';
  assertEquals(circles({ "lib/a.ts": itself }), ["lib/a.ts imports itself"]);
  assertEquals(circles({ "lib/a.ts": `/**\n * ${itself}\n */\n${itself}` }).length, 1);
  assertEquals(circles({ "lib/a.ts": `/**\n * ${itself}\n */\n// ${itself}` }), []);
});

Deno.test("two ways to one file are no circle, and a circle is said once", () => {
  const diamond = {
    "a.ts": 'import "./b.ts"; import "./c.ts";',
    "b.ts": 'import "./d.ts";',
    "c.ts": 'import "./d.ts";',
    "d.ts": 'import { x } from "./not-ours.ts";',
  };
  assertEquals(circles(diamond), []);
  assertEquals(circles({ ...diamond, "d.ts": 'import "./b.ts";' }), [
    "b.ts imports d.ts imports b.ts: a circle",
  ]);
});
