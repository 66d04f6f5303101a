import { runProgram } from "../../cli/run_program.ts";
import { RESIDENT } from "../program.ts";

/** `cni status`. @returns the exit status: 0, 1 for a failure, 2 for a wrong command line */
export async function main(args: readonly string[]): Promise<number> {
  return await runProgram(RESIDENT, ["status", ...args]);
}
