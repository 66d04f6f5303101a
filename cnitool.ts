/**
 * cnitool attaches network namespaces to CNI networks from the command line, as a container runtime
 * does from inside. `cnitool --help` says how.
 *
 * @module
 */
import { runProgram } from "./lib/cli/run_program.ts";
import { CNITOOL } from "./lib/cnitool/program.ts";
import { runtime } from "./lib/runtime/mod.ts";

/** Runs cnitool. Returns its exit status: 0, 1 for a failure, 2 for a wrong command line. */
export async function main(args: readonly string[]): Promise<number> {
  return await runProgram(CNITOOL, args);
}

if (import.meta.main) runtime.exit(await main(runtime.args));
