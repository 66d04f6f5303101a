/**
 * What the documentation shows can be copied: its JSON is valid, its configurations are what the
 * plugins take, its commands are there. The permissions that it tells are the plugins'.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { CNI } from "../cni.ts";
import type { Program } from "../lib/cli/command.ts";
import { parseLine } from "../lib/cli/parse.ts";
import { CNITOOL } from "../lib/cnitool/program.ts";
import { findingLine } from "../lib/cnitool/validate/finding.ts";
import { validate } from "../lib/cnitool/validate/mod.ts";
import { Cni } from "../lib/libcni/cni.ts";
import { pages } from "../scripts/check/docs.ts";
import { examplesIn, networkOf } from "./guides/examples.ts";
import { NoopPlugins } from "./support/noop_plugins.ts";
import { fromFileUrl } from "./support/paths.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

/** Plugins that examples name beside those of `plugins/`. */
const OTHER_PLUGINS = ["link-group"];

Deno.test("JSON in the documentation: networks and plugins are what `cnitool validate` accepts", async () => {
  using plugins = new NoopPlugins(...pluginNames(), ...OTHER_PLUGINS);
  const found: string[] = [];
  let networks = 0;
  for (const { place, json } of pages().flatMap(examplesIn)) {
    const list = await networkOf(json);
    if (!list) continue;
    networks++;
    const file = `${plugins.directory}/example.conflist`;
    Deno.writeTextFileSync(file, JSON.stringify(list, null, 2));
    const path = [plugins.path];
    const { files } = await validate({ directory: "", file }, path, new Cni({ path }));
    found.push(
      ...files.flatMap(({ findings }) => findings.map(findingLine))
        .map((line) => `${place}: ${line.replace(`${file}:`, "")}`),
    );
  }
  assertEquals(found, []);
  assert(networks >= 20, `only ${networks} networks were found in the documentation`);
});

Deno.test("commands in the documentation: what they name is there, and takes these options", async () => {
  const found: string[] = [];
  let commands = 0;
  for (const { path, text } of pages()) {
    for (const [, block] of text.matchAll(/^```sh\n([^]*?)^```$/gm)) {
      for (const words of commandsIn(block!)) {
        commands++;
        found.push(
          ...(await mistakesIn(words)).map((what) => `${path}: ${words.join(" ")}: ${what}`),
        );
      }
    }
  }
  assertEquals(found, []);
  assert(commands >= 50, `only ${commands} commands were found in the documentation`);
});

Deno.test("permissions in docs/security.md: each plugin's row says what its permissions.json says", () => {
  const rows = Deno.readTextFileSync(`${ROOT}/docs/security.md`)
    .split(/^## What each plugin may touch$/m)[1]!.split(/^## /m)[0]!
    .matchAll(/^\| ([a-z][\w-]*) +\| ([^|]+?) +\|/gm);
  const told = Object.fromEntries(
    Array.from(rows, ([, plugin, permissions]) => [plugin!, permissions!])
      .filter(([plugin]) => plugin !== "plugin"), // the table's head
  );
  assertEquals(told, Object.fromEntries(pluginPaths().map((p) => [p.name, permissionsOf(p.path)])));
});

/** Deno's permissions as the table of docs/security.md calls them. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  read: "read",
  write: "write",
  env: "environment",
  ffi: "FFI",
  net: "net",
};

/** The permissions of the plugin in a directory, in the words of docs/security.md. */
function permissionsOf(directory: string): string {
  const granted = JSON.parse(Deno.readTextFileSync(`${directory}/permissions.json`));
  if (granted === "all") return "everything";
  return Object.keys(granted).map((permission) => PERMISSIONS[permission] ?? permission).join(", ");
}

/** The commands of a block, each as words, without what only a shell does. */
function commandsIn(block: string): string[][] {
  const lines = block.replaceAll("\\\n", " ").split("\n");
  const comment = /(^|\s)#.*$/, redirection = /\s\d?[<>]+\s*\S+/g;
  return lines.flatMap((line) =>
    line.replace(comment, "").replaceAll(redirection, "").split(/&&|;|\|/)
  )
    .map((command) =>
      Array.from(command.matchAll(/"([^"]*)"|(\S+)/g), ([all, quoted]) => quoted ?? all)
    )
    .map((words) => words[0] === "sudo" ? words.slice(1) : words)
    .filter((words) => words.length > 0);
}

const PROGRAMS: Readonly<Record<string, Program>> = { cni: CNI, cnitool: CNITOOL };

/** What of a command is not there: a task, an option, a command of ours, a file of the tree. */
async function mistakesIn(words: readonly string[]): Promise<string[]> {
  const gone = words.filter((word) =>
    /^(lib|plugins|examples|tests|scripts|docs|schemas)\//.test(word)
  )
    .filter((path) => !isThere(path)).map((path) => `${path} is not there`);
  const task = words.indexOf("task");
  if (words.some((word) => /^deno(@|$)/.test(word)) && task > 0) {
    return [...gone, ...mistakesInTask(words.slice(task + 1))];
  }
  const program = PROGRAMS[words[0]!.split("/").at(-1)!];
  if (!program || words.length === 1) return gone;
  try {
    await parseLine(program, words.slice(1));
    return gone;
  } catch (error) {
    return [...gone, (error as Error).message];
  }
}

/** A task that is not there, and options that its script does not name. */
function mistakesInTask([name, ...words]: readonly string[]): string[] {
  if (name === undefined) return [];
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  if (!Object.hasOwn(tasks, name)) return [`there is no task ${name}`];
  const script = /scripts\/\w+\.ts/.exec(tasks[name].command)?.[0];
  const text = script === undefined ? "" : Deno.readTextFileSync(`${ROOT}/${script}`);
  // Behind "--" is another command.
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  return own.filter((word) => word.startsWith("--"))
    .filter((option) => !text.includes(option) && !text.includes(`"${option.slice(2)}"`))
    .map((option) => `${script} does not name ${option}`);
}

/** Whether there is such a file; of one with a pattern, whether its directory is there. */
function isThere(path: string): boolean {
  try {
    Deno.statSync(`${ROOT}/${path.replace(/\/[^/]*\*.*$/, "")}`);
    return true;
  } catch {
    return false;
  }
}

function pluginNames(): string[] {
  return pluginPaths().map(({ name }) => name);
}

function pluginPaths(): { name: string; path: string }[] {
  return ["main", "ipam", "meta"].flatMap((kind) =>
    Array.from(
      Deno.readDirSync(`${ROOT}/plugins/${kind}`),
      ({ name }) => ({ name, path: `${ROOT}/plugins/${kind}/${name}` }),
    )
  );
}
