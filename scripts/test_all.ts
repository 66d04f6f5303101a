/**
 * `deno task test:all`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { ROOT } from "./support/root.ts";
import { bold, dim, green, red } from "./support/style.ts";
import { loadSuites } from "./test_faults/suites.ts";

const USAGE = `Runs every check and every test there is, wholly, two at a time.

usage: deno task test:all [OPTION…] [TEXT…]

  TEXT         only those with TEXT in their command
  --lanes N    how many run side by side (default: 2)
  --list       the commands, without running them
  --help       this text

The Go plugins to compare with are the newest that Debian has, where they can be had. What a command
prints is kept in dist/test-all, and its end is shown when it fails. A summary comes at the end; the
exit status is 1 where anything failed.
`;

/** Where output is kept. */
const LOGS = `${ROOT}/dist/test-all`;
/** How much of the output of what failed is shown, in lines. */
const SHOWN = 60;

/** What Deno builds: the sources are tested for it as well. */
const FOR_DENO = ["build --out dist/deno", "build --resident --out dist/deno"];

/** Arguments of `deno task` that all others build on, one after the other. */
const FIRST = [
  "check",
  ...FOR_DENO,
  "build --runtime bun --out dist/bun",
  "build --runtime bun --resident --out dist/bun",
];

/** Suites of faults that take long: they begin early, so that no lane ends long after the other. */
const LONG_SUITES = ["kill", "soak"];

/** Suites of faults with a resident server: Deno's is another than Bun's. */
const OF_SERVERS = ["soak", "server", "storm"];

/** Kinds of links that few machines' own kernels have, as cases of faults name them. */
const LINKS = ["vlan/", "vrf/", "dummy/"];

const args = parseArgs(Deno.args, {
  boolean: ["help", "list"],
  string: ["lanes"],
  unknown(argument: string) {
    if (!argument.startsWith("-")) return true;
    console.error(`unknown argument ${argument}; --help lists what there is`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(USAGE.trimEnd());
  Deno.exit(0);
}
const isWanted = (task: string) => args._.every((text) => task.includes(String(text)));
const first = FIRST.filter(isWanted);
const others = (await sideBySide()).filter(isWanted);
if (first.length + others.length === 0) {
  console.error(`no command has ${args._.join(" and ")} in it`);
  Deno.exit(2);
}
if (args.list) {
  for (const task of [...first, ...others]) console.log(`deno task ${task}`);
  Deno.exit(0);
}
const lanes = Number(args.lanes ?? 2);
if (!Number.isInteger(lanes) || lanes < 1) {
  console.error("--lanes wants a whole number from 1 on");
  Deno.exit(2);
}
const begun = performance.now();
const go = Deno.env.get("CNI_TEST_GO") ?? await newestGoPlugins();
Deno.mkdirSync(LOGS, { recursive: true });
const lines: string[] = [];
let failed = 0;
for (const task of first) await run(task);
if (failed === 0) {
  const work = async () => {
    for (let task = others.shift(); task !== undefined; task = others.shift()) await run(task);
  };
  await Promise.all(Array.from({ length: lanes }, work));
}
console.log(bold(`\nall of it, in ${minutesSince(begun)} min`));
for (const line of lines) console.log(line);
for (const task of others) console.log(`${red("not run")}            ${task}`);
Deno.exit(failed === 0 ? 0 : 1);

/** Makes the commands that do not depend on each other; those that take longest come first. */
async function sideBySide(): Promise<string[]> {
  const faults = (suite: string, runtime = "bun") =>
    `test:faults --all --suite ${suite} --jobs 1 --bin dist/${runtime}/bin`;
  const suites = (await loadSuites([])).map(({ name }) => name);
  const isLong = (name: string) => LONG_SUITES.includes(name);
  const filter = LINKS.map((text) => `--filter ${text}`).join(" ");
  return [
    "test",
    ...suites.filter(isLong).map((suite) => faults(suite)),
    ...OF_SERVERS.map((suite) => faults(suite, "deno")),
    "test --integration --bin dist/deno/bin",
    "test --integration --bin dist/bun/bin",
    "test --integration --bin dist/bun/resident/bin",
    "test --integration --bin dist/deno/resident/bin",
    "test:kernel --bin dist/bun/bin --timeout 7200",
    `test:kernel --timeout 7200 -- ${Deno.execPath()} task test:faults --suite kill --suite del ` +
    `${filter} --seconds 1800 --bin ${ROOT}/dist/bun/bin`,
    "test:runtimes --bin dist/bun/bin --resident dist/bun/resident/bin",
    ...suites.filter((name) => !isLong(name)).map((suite) => faults(suite)),
    "test:cluster --all",
    "test:install --all",
    "test:guides --all --bin dist/bun/bin",
    "demo --runtime bun",
  ];
}

/** Runs a command, with its output in a file. */
async function run(task: string): Promise<void> {
  const log = `${LOGS}/${task.replaceAll(/[^\w-]+/g, "_").slice(0, 100)}.log`;
  const start = performance.now();
  console.log(dim(`${minutesSince(begun).padStart(6)} min  deno task ${task}`));
  const output = Deno.openSync(log, { write: true, create: true, truncate: true });
  // The base executable for compiling is perhaps another Deno's than this one; scripts/denort.ts.
  const compiler = FOR_DENO.includes(task) ? Deno.env.get("DENO_COMPILE") : undefined;
  const child = new Deno.Command(compiler ?? Deno.execPath(), {
    args: ["task", ...task.split(" ")],
    env: { NO_COLOR: "1", ...(go === undefined ? {} : { CNI_TEST_GO: go }) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const keep = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length;) {
        at += output.writeSync(chunk.subarray(at));
      }
    }
  };
  await Promise.all([keep(child.stdout), keep(child.stderr)]);
  output.close();
  const { success } = await child.status;
  const text = Deno.readTextFileSync(log);
  const verdict = success ? green("ok    ") : red("FAILED");
  const line = `${verdict} ${minutesSince(start).padStart(6)} min  ${task}${countsIn(text)}`;
  lines.push(line);
  console.log(line);
  if (success) return;
  failed++;
  console.log(text.trimEnd().split("\n").slice(-SHOWN).join("\n"));
  console.log(`all of it: ${log}`);
}

/** The counts that a command has printed last; nothing where there are none. */
function countsIn(text: string): string {
  const counts = text.match(/\d+ passed, \d+ failed(, \d+ skipped)?/g)?.at(-1);
  return counts === undefined ? "" : `: ${counts}`;
}

function minutesSince(start: number): string {
  return ((performance.now() - start) / 60_000).toFixed(1);
}

/** Fetches the newest Go plugins, and returns their directory; undefined where that fails. */
async function newestGoPlugins(): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "go-plugins"],
    stderr: "inherit",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : undefined;
}
