/**
 * What gets into a bundle. A plugin is started for every container, so what it does not need is
 * paid for every time.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Bundle, bundle, stopBundler } from "../../scripts/build/bundle.ts";
import { findCommands } from "../../scripts/build/commands.ts";
import { multicallEntry, singleEntry } from "../../scripts/build/entry.ts";
import { fromFileUrl } from "../support/paths.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const COMMANDS = findCommands(ROOT);

/** What loopback may bring along: itself, the way to a link's flags, and the process around it. */
const LOOPBACK_MAY_HAVE = [
  /^entry:/,
  /^plugins\/main\/loopback\//,
  /^lib\/(runtime|types|ip|netlink|libc|nl|rtnl|skel)\//,
  /^lib\/ns\/netns\.ts$/,
  /^lib\/observe\/observed\.ts$/,
];

Deno.test("loopback's bundle has nothing that loopback does not need", async () => {
  const loopback = COMMANDS.find(({ name }) => name === "loopback")!;
  const { metafile } = await bundleHere(singleEntry(ROOT, loopback));
  const sources = loadedBy(metafile, "entry:entry:main").flatMap((path) =>
    sourcesOf(metafile.outputs[path]!)
  );
  assert(sources.includes("plugins/main/loopback/main.ts"), `only ${sources}`);
  const foreign = sources.filter((path) => !LOOPBACK_MAY_HAVE.some((may) => may.test(path)));
  assertEquals(foreign, []);
});

Deno.test("the multi-call executable starts with no plugin's code", async () => {
  const { metafile } = await bundleHere(multicallEntry(ROOT, COMMANDS));
  const sources = loadedBy(metafile, "entry:entry:main").flatMap((path) =>
    sourcesOf(metafile.outputs[path]!)
  );
  assert(sources.includes("lib/skel/multicall.ts"), `only ${sources}`);
  assertEquals(sources.filter((path) => path.startsWith("plugins/")), []);
});

Deno.test("of zod, a bundle of everything has what is used and not all languages", async () => {
  const { metafile } = await bundleHere(multicallEntry(ROOT, COMMANDS));
  const languages = Object.values(metafile.outputs).flatMap(sourcesOf)
    .filter((path) => /\/zod\/.*\/locales\//.test(path) && !path.endsWith("/en.js"));
  assertEquals(languages, [], 'import zod as `import * as z from ".../deps/zod.ts"`');
});

/**
 * The most that a call loads before its plugin's code runs: files, and bytes in them. Every file
 * takes Deno a fifth of a millisecond, and every 20 kB one. What needs more either loads something
 * later, by `import()`, or raises this.
 */
const LOADED: Readonly<Record<string, { files: number; kB: number }>> = {
  loopback: { files: 5, kB: 108 },
  "host-local": { files: 7, kB: 113 },
  macvlan: { files: 8, kB: 153 },
  ptp: { files: 8, kB: 158 },
  bridge: { files: 8, kB: 170 },
  firewall: { files: 7, kB: 113 },
  portmap: { files: 7, kB: 118 },
};

Deno.test("what plugins load at their start is no more than it was", async () => {
  const { metafile } = await bundleHere(multicallEntry(ROOT, COMMANDS));
  for (const [name, most] of Object.entries(LOADED)) {
    const { entry } = COMMANDS.find((command) => command.name === name)!;
    const own = loadedBy(metafile, entry.slice(ROOT.length).replace(/^\//, ""));
    const loaded = new Set([...loadedBy(metafile, "entry:entry:main"), ...own]);
    const bytes = [...loaded].reduce((sum, path) => sum + metafile.outputs[path]!.bytes, 0);
    const now = `${name} loads ${loaded.size} files with ${(bytes / 1000).toFixed(1)} kB`;
    assert(loaded.size <= most.files && bytes <= most.kB * 1000, now);
  }
});

Deno.test("a bundle is ASCII: V8 and JavaScriptCore keep other text in twice the memory", async () => {
  const foreign: string[] = [];
  await bundleHere(multicallEntry(ROOT, COMMANDS), (path, text) => {
    // deno-lint-ignore no-control-regex
    const [found] = /.{0,20}[^\x00-\x7f].{0,20}/.exec(text) ?? [];
    if (found) foreign.push(`${path}: ${found}`);
  });
  assertEquals(
    foreign,
    [],
    "in regular expressions esbuild leaves characters as they are: \\u00b5",
  );
});

type Metafile = Bundle["metafile"];

/** @param look called with the name and the text of each file of the bundle */
async function bundleHere(
  entry: string,
  look: (name: string, text: string) => void = () => {},
): Promise<Bundle> {
  const directory = Deno.makeTempDirSync({ prefix: "cni-bundle-test-" });
  try {
    const about = { root: ROOT, version: "1.2.3", plugins: COMMANDS, runtime: "deno" } as const;
    const bundled = await bundle({ ...about, entry, directory });
    for (const { name } of Deno.readDirSync(directory)) {
      look(name, Deno.readTextFileSync(`${directory}/${name}`));
    }
    return bundled;
  } finally {
    await stopBundler();
    Deno.removeSync(directory, { recursive: true });
  }
}

/** The sources of which something is left in an output, by their path from the project's directory. */
function sourcesOf({ inputs }: Metafile["outputs"][string]): string[] {
  return Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => path);
}

/** The outputs that an entry point's is loaded with, without what is loaded later, by `import()`. */
function loadedBy({ outputs }: Metafile, entry: string): string[] {
  const found = new Set(Object.keys(outputs).filter((path) => outputs[path]!.entryPoint === entry));
  for (const path of found) {
    for (const { path: imported, kind } of outputs[path]!.imports) {
      if (kind === "import-statement") found.add(imported);
    }
  }
  return [...found];
}
