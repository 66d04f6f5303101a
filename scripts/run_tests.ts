/**
 * Runs the tests, and prints at the end which ones this machine could not run, and the remedy.
 *
 *     deno task test [--unit | --integration] [--filter TEXT] [--bin DIR] [FILE…]
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { Rtnl } from "../lib/rtnl/rtnl.ts";
import { SANDBOX_DIRECTORIES } from "../tests/support/requirements.ts";
import { bundle, stopBundler } from "./build/bundle.ts";
import { findCommands } from "./build/commands.ts";
import { multicallEntry } from "./build/entry.ts";
import { findBun } from "./build/find_bun.ts";
import { importsOf } from "./check/imports.ts";
import { programPath } from "./support/files.ts";
import { isIsolated, reexecIsolated } from "./support/isolate.ts";
import { testFiles } from "./support/test_files.ts";
import { ROOT } from "./support/root.ts";
import { bold, dim, green, red, yellow } from "./support/style.ts";

const HELP = `Runs the tests.

usage: deno task test [OPTION…] [FILE…]

  --unit         only tests beside the sources; they need nothing
  --integration  only tests under tests/, against the real kernel
  --filter TEXT  only tests with TEXT in their name; /TEXT/ is a regular expression
  --bin DIR      test the executables in DIR instead of the sources; without FILE only what
                 starts them, since nothing else could end differently
  --help         this text

As root, each kernel test makes network and mount namespaces of its own. As an ordinary user the
whole run happens in a user namespace, where the system allows that.
`;

/** What starts plugins and cnitool for tests. */
const STARTERS = ["tests/support/plugins.ts", "tests/support/cnitool.ts"];

/** Tests that start executables which they build themselves, and those of the tests' own code. */
const OTHER_TESTS = /^tests\/(build|support)\//;

const args = parseArgs(Deno.args, {
  boolean: ["unit", "integration", "help"],
  string: ["bin", "filter"],
  unknown(arg: string) {
    if (!arg.startsWith("-")) return true;
    console.error(`unknown option ${arg}; --help lists what there is`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
Deno.exit(await main());

async function main(): Promise<number> {
  const isolated = await reexecIsolated({ network: false, prepare: fetchBuildTools });
  if (isolated !== undefined) return isolated;
  if (isIsolated()) setLoopbackUp();
  const files = args._.map((file) => calledWith(String(file)));
  const bin = args.bin === undefined ? undefined : calledWith(String(args.bin));
  const missing = [...files, ...bin === undefined ? [] : [bin]].find((path) => !exists(path));
  if (missing !== undefined) {
    console.error(`there is no ${missing}`);
    return 2;
  }
  if (files.length === 0) {
    if (!args.integration) {
      files.push("lib/", "plugins/", "cni_test.ts", "cnitool_test.ts", "scripts/");
    }
    if (!args.unit) files.push(...bin === undefined ? ["tests/"] : executableTests());
  }
  const skips = Deno.makeTempFileSync({ prefix: "cni-test-skips-" });
  // A sandbox mounts over these directories, which are made where they do not exist.
  const mountPoints = SANDBOX_DIRECTORIES.filter((directory) => !exists(directory));
  try {
    const env: Record<string, string> = { CNI_TEST_SKIPS: skips, PATH: programPath() };
    if (bin !== undefined) env.CNI_TEST_BIN = Deno.realPathSync(bin);
    return await run(files, env, skips);
  } finally {
    Deno.removeSync(skips);
    for (const directory of mountPoints) removeIfEmpty(directory);
  }
}

function removeIfEmpty(directory: string): void {
  try {
    Deno.removeSync(directory);
  } catch {
    // It was never made, or it is not empty any more.
  }
}

/** Lists the test files that start the plugins or cnitool under test, in order. */
function executableTests(): string[] {
  return testFiles("tests").filter((path) => !OTHER_TESTS.test(path) && startsPlugins(path));
}

/** Tells whether a test file imports, itself or by way of others, what starts plugins. */
function startsPlugins(file: string): boolean {
  const found = new Set([file]);
  for (const path of found) {
    if (STARTERS.includes(path)) return true;
    if (!exists(`${ROOT}/${path}`)) continue; // such as a text that looks like an import
    const text = Deno.readTextFileSync(`${ROOT}/${path}`);
    for (const imported of importsOf({ path, text })) found.add(imported);
  }
  return false;
}

/** Fetches what builds need: tests build executables in namespaces without a network. */
async function fetchBuildTools(): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cni-test-bundle-" });
  try {
    const plugins = findCommands(ROOT);
    const entry = multicallEntry(ROOT, plugins);
    await bundle({ root: ROOT, version: "", plugins, entry, directory });
    await findBun();
  } catch {
    // The tests that need it report what is missing.
  } finally {
    await stopBundler();
    Deno.removeSync(directory, { recursive: true });
  }
}

function setLoopbackUp(): void {
  using rtnl = Rtnl.open();
  rtnl.link.set("lo", { up: true });
}

/** Makes the argument that selects tests by name. */
function filter(): string[] {
  return args.filter === undefined ? [] : [`--filter=${args.filter}`];
}

/** Runs tests, passes the output on as it comes, and reads the counts from its last line. */
async function run(files: string[], env: Record<string, string>, skips: string): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "--permit-no-files", ...filter(), ...files],
    env,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let tail = "";
  for await (const chunk of child.stdout) {
    Deno.stdout.writeSync(chunk);
    tail = (tail + new TextDecoder().decode(chunk)).slice(-2000);
  }
  const { code } = await child.status;
  const counts = /(\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/
    .exec(tail);
  const skipped = listSkips(skips);
  if (!counts) return code || 1;
  const [, passed, failed] = counts;
  if (args.filter !== undefined && passed === "0" && failed === "0") {
    console.error(`no test has ${JSON.stringify(args.filter)} in its name`);
    return 1;
  }
  const verdict = code === 0 ? green("ok") : red("FAILED");
  console.log(
    `${bold(verdict)} ${dim(args.bin ? `(executables in ${args.bin})` : "(from source)")}`,
  );
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return code;
}

/** Prints what was skipped, by reason. Returns how many tests that is. */
function listSkips(file: string): number {
  const lines = Deno.readTextFileSync(file).split("\n").filter(Boolean);
  const skips = lines.map((line) =>
    JSON.parse(line) as Record<"test" | "lacks" | "remedy", string>
  );
  const byReason = Map.groupBy(skips, ({ lacks }) => lacks);
  for (const [lacks, tests] of byReason) {
    console.log(yellow(`\nskipped, for want of ${lacks}; to run them: ${tests[0]!.remedy}`));
    for (const { test } of tests) console.log(dim(`  ${test}`));
  }
  if (skips.length > 0) console.log();
  return skips.length;
}

/** Resolves a path of the command line: `deno task` changes to the project's directory. */
function calledWith(path: string): string {
  return resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), path);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
