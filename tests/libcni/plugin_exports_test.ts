/**
 * Plugins that a program imports from the package, to call them in its own process.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Cni } from "../../mod.ts";
import type { AnyPlugin } from "../../plugin.ts";
import { ROOT } from "../support/scratch_project.ts";

const { exports } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`)) as {
  exports: Record<string, string>;
};
/** Paths of the modules, by name of the plugin. */
const EXPORTED = new Map(
  Object.entries(exports).filter(([name]) => name.startsWith("./plugins/"))
    .map(([name, path]) => [name.slice("./plugins/".length), path]),
);

Deno.test("every folder in plugins/ is exported under its name, and nothing else is", () => {
  const folders = ["main", "ipam", "meta"].flatMap((kind) =>
    Array.from(Deno.readDirSync(`${ROOT}/plugins/${kind}`))
      .filter(({ isDirectory }) => isDirectory)
      .map(({ name }): [string, string] => [name, `./plugins/${kind}/${name}/main.ts`])
  );
  assertEquals(Object.fromEntries(EXPORTED), Object.fromEntries(folders));
});

Deno.test("every exported plugin answers to its name in the process that imports it", async () => {
  const plugins = await Promise.all(
    Array.from(EXPORTED.values(), async (path) => {
      const { default: plugin } = await import(`${ROOT}/${path}`) as { default: AnyPlugin };
      return plugin;
    }),
  );
  const cni = new Cni({ plugins, path: [] });
  for (const type of EXPORTED.keys()) {
    assert((await cni.getVersionInfo(type)).includes("1.1.0"), type);
  }
});
