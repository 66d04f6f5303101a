import { assertEquals, assertRejects } from "@std/assert";
import { MissingTool } from "../host/tool.ts";
import { CniError } from "../types/error.ts";
import { Implementations } from "./implementations.ts";

/** Implementations that are their own names, and a list of those that were loaded. */
function noted(mayHaveRules: Partial<Record<string, () => boolean>> = {}) {
  const loaded: string[] = [];
  const load = (name: string) => () => {
    loaded.push(name);
    return Promise.resolve(name);
  };
  const all = new Implementations({ a: load("a"), b: load("b"), c: load("c") }, mayHaveRules);
  return { all, loaded };
}

Deno.test("Implementations.of() loads one", async () => {
  const { all, loaded } = noted({ b: () => false });
  assertEquals([await all.of("b"), loaded], ["b", ["b"]]);
});

Deno.test("Implementations.inUse() loads none of a backend without rules", async () => {
  const { all, loaded } = noted({ a: () => true, b: () => false });
  const results = await all.inUse(["a", "b", "c"], (own, name) => Promise.resolve(own + name));
  assertEquals([results, loaded], [["aa", "cc"], ["a", "c"]]);
});

Deno.test("Implementations.inUse() runs the others where one fails, or cannot be asked for", async () => {
  const missing = new MissingTool(999, "it is not installed");
  const { all, loaded } = noted({
    a: () => {
      throw CniError.internal("may not ask");
    },
  });
  const work = (name: string) => name === "b" ? Promise.reject(missing) : Promise.resolve(name);
  await assertRejects(() => all.inUse(["a", "b", "c"], work), CniError, "may not ask");
  assertEquals(loaded, ["b", "c"]);
  assertEquals(await all.inUse(["b", "c"], work), ["c"]);
});
