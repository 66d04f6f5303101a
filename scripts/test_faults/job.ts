/**
 * One of the processes that run cases. It reports to the process that started it on standard
 * output, one JSON document a line.
 *
 * @module
 */
import { Random } from "../../tests/support/faults/random.ts";
import type { FaultCase, FaultRoom } from "../../tests/support/faults/suite.ts";
import { missing } from "../../tests/support/requirements.ts";
import { inSandbox } from "../../tests/support/sandbox.ts";
import { loadSuites, type NamedSuite } from "./suites.ts";

/** The options of a job. */
export interface JobOptions {
  suites: readonly string[];
  /** Only cases with one of these in their ID; all when empty. */
  filter: readonly string[];
  /** Only this case, of the only suite; all of its steps, or one. */
  only?: { id: string; step?: number };
  seed: number;
  all: boolean;
  /** For how long new steps are begun; until all are done when absent. */
  seconds?: number;
  bin: string;
  residentBin: string;
  /** Which of the jobs this is, from 0, and how many there are. */
  job: number;
  jobs: number;
}

/** A report of a job. */
export type JobMessage =
  & { suite: string; id: string }
  & (
    | { is: "begun" | "passed"; step: number }
    | { is: "failed"; step: number; why: string }
    | { is: "measured"; steps: number }
    | { is: "skipped"; lacks: string; remedy: string }
    | { is: "counted"; what: string; number: number }
  );

/** Runs this job's share of the cases. */
export async function runJob(options: JobOptions): Promise<void> {
  const { seconds } = options;
  Deno.env.set("CNI_TEST_BIN", options.bin);
  const suites = await loadSuites(options.suites);
  const end = seconds === undefined ? Infinity : performance.now() + seconds * 1000;
  for (const [i, suite] of suites.entries()) {
    // Time that a suite does not use is shared by the later ones.
    const shares = suites.slice(i).reduce((sum, { share }) => sum + share, 0);
    const left = end - performance.now();
    const until = seconds === undefined ? Infinity : end - left * (1 - suite.share / shares);
    await runSuite(suite, until, options);
  }
}

/** A case that has steps left. */
interface Running {
  readonly test: FaultCase;
  /** Undefined before they are known. */
  steps?: number[];
}

/** Runs a step of each case in turn, as long as there are steps and time. */
async function runSuite(suite: NamedSuite, until: number, options: JobOptions): Promise<void> {
  const { seed, all, filter, only, job, jobs } = options;
  const chosen = suite.cases
    .filter(({ id }) => filter.length === 0 || filter.some((text) => id.includes(text)))
    .filter(({ id, onlyAll }) => only === undefined ? all || !onlyAll : id === only.id);
  if (only !== undefined && chosen.length === 0) {
    throw new Error(`the suite ${suite.name} has no case ${only.id}; --list shows them`);
  }
  const ordered = all ? chosen : new Random(`${seed}:${suite.name}`).shuffle(chosen);
  let running: Running[] = ordered.filter((_, i) => i % jobs === job)
    .filter((test) => isPossible(suite.name, test)).map((test) => ({ test }));
  while (running.length > 0) {
    for (const one of running) {
      if (performance.now() > until) return;
      one.steps ??= await stepsOf(suite.name, one.test, options);
      const step = one.steps.shift();
      if (step !== undefined) await runStep(suite.name, one.test, step, options);
    }
    running = running.filter(({ steps }) => steps!.length > 0);
  }
}

function isPossible(suite: string, { id, needs = [] }: FaultCase): boolean {
  const reason = missing(["root", "ip", ...needs]);
  if (reason) say({ suite, id, is: "skipped", ...reason });
  return reason === undefined;
}

/** Returns the numbers of the steps to run, in the order to run them in. */
async function stepsOf(suite: string, test: FaultCase, options: JobOptions): Promise<number[]> {
  const { id } = test;
  let count = 1;
  if (test.steps) {
    say({ suite, id, is: "begun", step: 0 });
    try {
      await inRoom(suite, id, 0, options, async (room) => {
        count = await test.steps!(room);
      });
    } catch (error) {
      say({ suite, id, is: "failed", step: 0, why: describe(error) });
      return [];
    }
  }
  say({ suite, id, is: "measured", steps: count });
  const { only, all, seed } = options;
  if (only?.step !== undefined) return [only.step];
  const steps = Array.from({ length: count }, (_, i) => i + 1);
  return all ? steps : new Random(`${seed}:${suite}:${id}`).shuffle(steps);
}

async function runStep(
  suite: string,
  test: FaultCase,
  step: number,
  options: JobOptions,
): Promise<void> {
  const { id } = test;
  say({ suite, id, is: "begun", step });
  try {
    await inRoom(suite, id, step, options, (room) => test.run(room));
    say({ suite, id, is: "passed", step });
  } catch (error) {
    say({ suite, id, is: "failed", step, why: describe(error) });
  }
}

async function inRoom(
  suite: string,
  id: string,
  step: number,
  { seed, all, bin, residentBin }: JobOptions,
  work: (room: FaultRoom) => void | Promise<void>,
): Promise<void> {
  const random = new Random(`${seed}:${suite}:${id}@${step}`);
  const network = `f${new Random(`${suite}:${id}`).seed().toString(36)}`;
  const count = (what: string, number = 1) => say({ suite, id, is: "counted", what, number });
  await inSandbox((sandbox) =>
    work({ sandbox, step, bin, residentBin, network, random, all, count })
  );
}

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

function say(message: JobMessage): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
