/**
 * `deno task test:faults`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { build } from "./build/build.ts";
import { hostTarget } from "./build/targets.ts";
import { reexecIsolated } from "./support/isolate.ts";
import { ROOT } from "./support/root.ts";
import { dim, green, red, yellow } from "./support/style.ts";
import { type JobOptions, runJob } from "./test_faults/job.ts";
import { JobProcess } from "./test_faults/job_process.ts";
import { loadSuites } from "./test_faults/suites.ts";
import { Tally } from "./test_faults/tally.ts";

const USAGE = `Kills, fills, damages and crowds the executables, and looks for what is left.

usage: deno task test:faults [OPTION…]

  --all           every case and step, in order (hours); otherwise those for which there is time,
                  chosen by the seed
  --seconds N     how long new steps are begun without --all (default: 360)
  --seed N        repeat a run's choices (default: a new one, which is printed)
  --suite NAME    only this suite; may be given again
  --filter TEXT   only cases with TEXT in their name; may be given again
  --case ID[@N]   only this case of the only suite, all of its steps, or step N
  --bin DIR       the executables (default: Bun's, built first); the resident server's clients are
                  in DIR/../resident/bin
  --jobs N        processes that run cases (default: one a processor)
  --list          the suites and their cases, without running them
  --help          this text

Everything happens in namespaces that it makes. tests/README.md says how to read what comes out.
`;

/** The command line. */
interface Arguments {
  all: boolean;
  list: boolean;
  help: boolean;
  suite: string[];
  filter: string[];
  seconds?: string;
  seed?: string;
  case?: string;
  bin?: string;
  jobs?: string;
}

if (Deno.args[0] === "job") {
  await runJob(JSON.parse(Deno.args[1]!) as JobOptions);
} else {
  try {
    Deno.exitCode = await main();
  } catch (error) {
    console.error(`test_faults: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 2;
  }
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    boolean: ["all", "list", "help"],
    string: ["seconds", "seed", "suite", "filter", "case", "bin", "jobs"],
    collect: ["suite", "filter"],
    unknown(argument: string) {
      throw new Error(`unknown argument ${argument}; see --help`);
    },
  }) as unknown as Arguments;
  if (args.help) {
    console.log(USAGE.trimEnd());
    return 0;
  }
  const suites = await loadSuites(args.suite);
  if (args.list) {
    for (const { name, title, cases } of suites) {
      console.log(`${name}: ${title}`);
      for (const { id, onlyAll } of cases) console.log(`  ${id}${onlyAll ? " (--all)" : ""}`);
    }
    return 0;
  }
  const [id, step] = args.case?.split("@") ?? [];
  if (id !== undefined && suites.length !== 1) throw new Error("--case wants one --suite");
  const isOfAll = suites.some(({ cases }) => cases.some((one) => one.id === id && one.onlyAll));
  const all = args.all || isOfAll; // Such a case takes the time that --all gives it.
  const isolated = await reexecIsolated({ network: false });
  if (isolated !== undefined) return isolated;
  const bin = args.bin ? resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), args.bin) : await built();
  const seed = wholeNumber("seed", args.seed) ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
  const seconds = wholeNumber("seconds", args.seconds) ?? 360;
  const jobs = id !== undefined
    ? 1
    : wholeNumber("jobs", args.jobs) ?? navigator.hardwareConcurrency;
  const options: Omit<JobOptions, "job"> = {
    suites: suites.map(({ name }) => name),
    filter: args.filter,
    ...(id === undefined
      ? {}
      : { only: { id, ...(step === undefined ? {} : { step: wholeNumber("case", step) }) } }),
    seed,
    all,
    ...(all || id !== undefined ? {} : { seconds }),
    bin: Deno.realPathSync(bin),
    residentBin: resolve(bin, "../resident/bin"),
    jobs,
  };
  console.log(`seed ${seed}, executables in ${options.bin}`);
  const tally = new Tally();
  const started = performance.now();
  const ends = await Promise.all(
    Array.from({ length: jobs }, (_, job) => new JobProcess({ ...options, job }, tally).end),
  );
  for (const [lacks, { remedy, cases }] of tally.skipped) {
    console.log(yellow(`\nskipped, for want of ${lacks}; to run them: ${remedy}`));
    for (const line of cases) console.log(dim(`  ${line}`));
  }
  console.log();
  for (const line of tally.lines(new Map(suites.map(({ name, cases }) => [name, cases.length])))) {
    console.log(line);
  }
  const unseen = args.all && id === undefined ? tally.unseen(suites) : [];
  for (const line of unseen) console.log(red(line));
  const took = ((performance.now() - started) / 1000).toFixed(0);
  const isWell = tally.failed === 0 && unseen.length === 0 && ends.every(Boolean) &&
    tally.passed + tally.skipped.size > 0;
  const verdict = isWell ? green("ok") : red("FAILED");
  const skipped = tally.skipped.values().reduce((sum, { cases }) => sum + cases.length, 0);
  const counts = `${tally.passed} passed, ${tally.failed} failed, ${skipped} skipped`;
  console.log(`${verdict}: ${counts} in ${took} s, seed ${seed}`);
  return isWell ? 0 : 1;
}

/** Builds Bun's executables, and the resident server's clients. Returns the executables' directory. */
async function built(): Promise<string> {
  const output = `${ROOT}/dist/faults`;
  const options = {
    root: ROOT,
    output,
    names: [],
    runtime: "bun",
    separate: false,
    target: hostTarget(),
  } as const;
  await build({ ...options, resident: true });
  return await build({ ...options, resident: false });
}

/** Reads an option's whole number. @throws {Error} for any other value */
function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,10}$/.test(text)) {
    throw new Error(`--${option} wants a whole number, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}
