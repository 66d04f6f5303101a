/**
 * What `lib/runtime` promises, as one list of cases that every runtime has to meet: this program,
 * run by each of them, prints what each case yields.
 *
 * Started with the arguments that start it, as JSON, and a directory to work in; or, by itself,
 * with the name of a job and its arguments.
 *
 * @module
 */
import { messageOf } from "../../lib/runtime/errors.ts";
import type { Runtime } from "../../lib/runtime/types.ts";
import { type Case, run } from "./runtime_contract/case.ts";
import { FILES } from "./runtime_contract/files.ts";
import { JOBS } from "./runtime_contract/jobs.ts";
import { PROCESS } from "./runtime_contract/process.ts";
import { PROGRAMS } from "./runtime_contract/programs.ts";

/** Every case. */
export const CASES: readonly Case[] = [...FILES, ...PROGRAMS, ...PROCESS];

/** The whole program. */
export async function main(runtime: Runtime): Promise<void> {
  const [name = "", ...args] = runtime.args;
  if (Object.hasOwn(JOBS, name)) return JOBS[name]!(runtime, args);
  const start = [runtime.executable, ...JSON.parse(name) as string[]] as const;
  const outcomes: Record<string, unknown> = {};
  for (const [index, one] of CASES.entries()) {
    const directory = `${args[0]}/${index}`;
    runtime.files.makeDirectory(directory);
    const again = (args: readonly string[], options = {}) =>
      run(runtime, start[0], [...start.slice(1), ...args], options);
    try {
      outcomes[one.name] = await one.run({ runtime, directory, start, again });
    } catch (error) {
      outcomes[one.name] = `failed: ${messageOf(error)}`;
    }
  }
  runtime.write(1, JSON.stringify(outcomes));
}
