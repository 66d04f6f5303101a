/**
 * `deno task test:runtimes`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { build } from "./build/build.ts";
import { hostTarget } from "./build/targets.ts";
import { isFile } from "./support/files.ts";
import { bold, dim, green, red, yellow } from "./support/style.ts";
import { GO_PLUGINS, missing, onTestKernel, type Reason } from "../tests/support/requirements.ts";
import { differences } from "../tests/runtimes/differences.ts";
import { runInGuest, writeOutcomes } from "../tests/runtimes/guest.ts";
import { type Outcome, type Run, runScenario } from "../tests/runtimes/run.ts";
import { ROOT } from "./support/root.ts";
import { SCENARIOS } from "../tests/runtimes/scenarios.ts";
import type { Scenario } from "../tests/runtimes/scenario.ts";
import { writeTable } from "../tests/runtimes/table.ts";

const USAGE = `Runs containers with real container runtimes, which execute the plugins.

usage: deno task test:runtimes [OPTION...]

Every scenario is run with our executables and with the Go plugins, and where it says so with
the ones exchanged for the others while containers run. Containers must get the same addresses and
routes and reach the same, and at the end nothing may be left. Each run has namespaces and control
groups of its own, for which this must be root; it ends everything that it started. What this
machine's kernel has no links for is run on the test kernel (deno task test:kernel).

options:
  --bin DIR        our executables (default: built with Bun first)
  --resident DIR   clients of the resident server, for the short form
  --filter TEXT    only runs with TEXT in what they are called
  --jobs N         runs side by side (default: one a processor)
  --timeout SECONDS  stop a run after so long (default: 240)
  --outcomes FILE  write to FILE what came of the runs, as JSON
  --write-table    write to docs/install.md what was run, and with which versions
  --help           print this

CNI_TEST_GO is the directory of the Go plugins (default: Debian's, /usr/lib/cni). The exit status
is 1 when a run failed.
`;

const CALLED_FROM = Deno.env.get("INIT_CWD") ?? Deno.cwd();

interface Options {
  bin?: string;
  resident?: string;
  filter: string;
  jobs: number;
  seconds: number;
  outcomes?: string;
  table: boolean;
}

/** What is to be run: here, on the test kernel, and what cannot be. */
interface Plan {
  runs: Run[];
  guests: Scenario[];
  skips: Map<Scenario, Reason>;
}

/** How much longer a run may take on the test kernel. */
const GUEST_FACTOR = 4;

/** Reads the command line. @throws {Error} when it is not understood */
function readOptions(args: readonly string[]): Options | undefined {
  const parsed = parseArgs(args, {
    boolean: ["help", "write-table"],
    string: ["bin", "resident", "filter", "jobs", "timeout", "outcomes"],
    unknown(argument) {
      throw new Error(`unknown argument ${argument}; see --help`);
    },
  });
  if (parsed.help) return undefined;
  const number = (name: string, otherwise: number) => {
    const text = parsed[name] as string | undefined;
    if (text === undefined) return otherwise;
    if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
    throw new Error(`--${name} must be a number, not ${JSON.stringify(text)}`);
  };
  const directory = (name: string) => {
    const path = parsed[name] as string | undefined;
    if (path === undefined) return undefined;
    const absolute = resolve(CALLED_FROM, path);
    if (isFile(`${absolute}/loopback`)) return Deno.realPathSync(absolute);
    throw new Error(`--${name}: there are no plugins in ${absolute}`);
  };
  return {
    bin: directory("bin"),
    resident: directory("resident"),
    filter: (parsed.filter ?? "") as string,
    jobs: number("jobs", navigator.hardwareConcurrency),
    seconds: number("timeout", 240),
    outcomes: parsed.outcomes ? resolve(CALLED_FROM, parsed.outcomes as string) : undefined,
    table: Boolean(parsed["write-table"]),
  };
}

async function main(options: Options): Promise<number> {
  const start = performance.now();
  const work = await Deno.makeTempDir({ prefix: "cni-test-runtimes-" });
  try {
    const interrupted = interruption();
    const planned = await plan(options, work);
    const { runs, guests, skips } = planned;
    if (runs.length === 0 && guests.length === 0 && skips.size === 0) {
      console.error(`no run has ${JSON.stringify(options.filter)} in what it is called`);
      return 1;
    }
    const { outcomes, unmade } = await runAll(planned, options, interrupted);
    if (options.outcomes) writeOutcomes(options.outcomes, outcomes);
    const failures = [
      ...unmade,
      ...outcomes.flatMap(({ run, failure }) =>
        failure === undefined ? [] : [`${run.scenario}, ${run.label}: ${failure}`]
      ),
      ...differences(outcomes),
    ];
    if (interrupted.aborted) failures.push("it was interrupted");
    for (const failure of failures) console.log(`\n${red("FAILED")} ${failure}`);
    for (const [{ name }, { lacks, remedy }] of skips) {
      console.log(yellow(`\nskipped: ${name}, for want of ${lacks}; to run it: ${remedy}`));
    }
    if (options.table) writeTable(SCENARIOS, outcomes);
    const took = Math.round((performance.now() - start) / 1000);
    console.log(
      `\n${bold(failures.length === 0 ? green("ok") : red("FAILED"))} ${outcomes.length} runs, ` +
        `${failures.length} failures, ${skips.size} scenarios skipped ${dim(`(${took} s)`)}`,
    );
    return failures.length === 0 ? 0 : 1;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * Decides what is run, and fetches or builds what that needs.
 * @param work a directory that lasts as long as the runs
 */
async function plan(options: Options, work: string): Promise<Plan> {
  const skips = new Map<Scenario, Reason>();
  const runs: Run[] = [];
  const guests: Scenario[] = [];
  for (const scenario of SCENARIOS) {
    const own = runsOf(scenario, options)
      .filter(({ scenario, label }) => `${scenario}, ${label}`.includes(options.filter));
    if (own.length === 0) continue;
    const needs = needsOf(scenario);
    const links = needs.filter((need) => need.startsWith("kernel:"));
    const others = needs.filter((need) => !links.includes(need));
    const lacksLinks = missing(links);
    const isForGuest = lacksLinks && scenario.onTestKernel && !onTestKernel() &&
      Deno.build.arch === "x86_64";
    const reason = missing(others) ?? (isForGuest ? undefined : lacksLinks) ??
      await fetchPrograms(scenario, own, work);
    if (reason) skips.set(scenario, reason);
    else if (isForGuest) guests.push(scenario);
    else runs.push(...own);
  }
  if (!options.bin && (guests.length > 0 || runs.some(({ plugins }) => plugins.ours === ""))) {
    options.bin = await build({
      root: ROOT,
      output: `${ROOT}/dist/test-runtimes`,
      names: [],
      runtime: "bun",
      separate: false,
      resident: false,
      target: hostTarget(),
    });
    for (const { plugins } of runs) plugins.ours ||= options.bin;
  }
  return { runs, guests, skips };
}

/** Fetches a scenario's programs. Returns why it cannot be run, where that fails. */
async function fetchPrograms(
  { name, programs }: Scenario,
  runs: readonly Run[],
  work: string,
): Promise<Reason | undefined> {
  if (!programs) return undefined;
  console.log(dim(`     ${name}: download`));
  try {
    const directory = await programs(await Deno.makeTempDir({ dir: work }));
    for (const run of runs) run.programs = directory;
    return undefined;
  } catch (error) {
    const lacks = `a newer version: ${error instanceof Error ? error.message : error}`;
    const remedy = `deno task test:runtimes --filter ${
      JSON.stringify(name)
    }, where that can be had`;
    return { lacks, remedy };
  }
}

/** Makes a signal that SIGINT and SIGTERM abort. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => controller.abort(`ended by ${signal}`));
  }
  return controller.signal;
}

function needsOf({ clients, needs = [] }: Scenario): string[] {
  const programs = clients.map(({ program }) => program);
  return [
    "root",
    "cgroup-v1",
    "catatonit",
    "busybox",
    "ip",
    "nft",
    "iptables",
    `${GO_PLUGINS}/bridge`,
    ...programs,
    ...needs,
  ];
}

/** Lists a scenario's runs. */
function runsOf(scenario: Scenario, { bin = "", resident }: Options): Run[] {
  const plugins = { ours: bin, go: GO_PLUGINS };
  const run = (label: string, first: "ours" | "go", then = first, ours = bin): Run => (
    { scenario: scenario.name, label, plugins: { ...plugins, ours }, first, then, programs: "" }
  );
  return [
    run("our plugins", "ours"),
    run("Go plugins", "go"),
    ...scenario.exchange
      ? [run("ours, then Go's", "ours", "go"), run("Go's, then ours", "go", "ours")]
      : [],
    ...scenario.short && resident !== undefined
      ? [run("resident server", "ours", "ours", resident)]
      : [],
  ];
}

/**
 * Runs everything, as many side by side as were asked for; the guest, which uses every processor, is
 * one of them.
 * @returns outcomes, and why others were not made
 */
async function runAll(
  { runs, guests }: Plan,
  options: Options,
  interrupted: AbortSignal,
): Promise<{ outcomes: Outcome[]; unmade: string[] }> {
  const outcomes: Outcome[] = [];
  const unmade: string[] = [];
  const { bin = "", seconds } = options;
  const inGuest = guests.map(({ name }) => async () => {
    const asked = { scenario: name, bin, seconds: GUEST_FACTOR * seconds };
    try {
      outcomes.push(...await runInGuest(asked, (line) => console.log(line), interrupted));
    } catch (error) {
      unmade.push(error instanceof Error ? error.message : String(error));
    }
  });
  const here = runs.map((run) => async () => {
    const name = `${run.scenario}, ${run.label}`;
    const deadline = AbortSignal.timeout(seconds * 1000);
    const onStep = (step: string) => console.log(dim(`     ${name}: ${step}`));
    const outcome = await runScenario(run, onStep, AbortSignal.any([deadline, interrupted]));
    outcomes.push(outcome);
    const verdict = outcome.failure === undefined ? green("ok  ") : red("FAIL");
    console.log(`${verdict} ${name} ${dim(`(${outcome.seconds.toFixed(1)} s)`)}`);
  });
  const waiting = [...inGuest, ...here];
  const work = async () => {
    for (let next = waiting.shift(); next && !interrupted.aborted; next = waiting.shift()) {
      await next();
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return { outcomes, unmade };
}

if (import.meta.main) {
  try {
    const options = readOptions(Deno.args);
    if (!options) console.log(USAGE.trimEnd());
    else Deno.exit(await main(options));
  } catch (error) {
    console.error(`test_runtimes: ${error instanceof Error ? error.message : error}`);
    Deno.exit(2);
  }
}
