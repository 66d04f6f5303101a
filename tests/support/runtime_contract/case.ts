import { errnoCode } from "../../../lib/runtime/errors.ts";
import type { RunOptions, Runtime } from "../../../lib/runtime/types.ts";

/** What a case works with. */
export interface Bench {
  runtime: Runtime;
  /** A directory of the case's own, empty. */
  directory: string;
  /** The program and the arguments that start it. */
  start: readonly string[];
  /** Runs this very program in another process, to do one of its jobs. */
  again(args: readonly string[], options?: CaseRunOptions): Promise<Ended>;
}

/** How a program ended, as text. */
export interface Ended {
  code: number | null;
  signal: string | null;
  timedOut: boolean;
  stdout: string;
  stderr: string;
}

/** One expectation: what `run` yields in every runtime, as JSON. */
export interface Case {
  name: string;
  expected: unknown;
  run(bench: Bench): unknown;
}

/** The name of the C error that `work` throws; what it yields when it throws none. */
export function codeOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return nameOf(error);
  }
}

/** {@link codeOf} of a promise. */
export async function codeOfAsync(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    return nameOf(error);
  }
}

function nameOf(error: unknown): string {
  return errnoCode(error) ?? `an error without code: ${error}`;
}

/** How a case runs a program: as any other, within a minute unless it says otherwise. */
export type CaseRunOptions = Partial<RunOptions>;

/** Runs a program; its output as text. */
export async function run(
  runtime: Runtime,
  program: string,
  args: readonly string[] = [],
  options: CaseRunOptions = {},
): Promise<Ended> {
  const all = { timeoutMs: 60_000, ...options };
  const { stdout, stderr, ...ended } = await runtime.run(program, args, all);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { ...ended, stdout: text(stdout), stderr: text(stderr) };
}
