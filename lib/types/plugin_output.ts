import { messageOf } from "../runtime/errors.ts";
import { CniError } from "./error.ts";

/** The output of a plugin: what its process prints, and its exit status. */
export interface PluginOutput {
  /** One JSON document, or "" for a command that has nothing to answer. */
  stdout: string;
  /** 0, or 1 where `stdout` holds an error object. */
  exitCode: number;
  /**
   * Undoes what an ADD made, should its result not reach the caller. Returns what it could not
   * undo.
   */
  takeBack?: () => Promise<string[]>;
  /** Set where the call failed: resolves once the work that an interruption left running has ended. */
  settled?: Promise<unknown>;
  /** What was thrown, where that is a defect of the plugin. */
  defect?: unknown;
}

/**
 * Undoes what an ADD made whose result cannot be written.
 * @param error why it cannot
 * @returns a line for standard error
 */
export async function takeBackUnwritten(
  { takeBack }: PluginOutput,
  error: unknown,
): Promise<string> {
  const undone = takeBack ? [...await takeBack(), "what had been done was taken back"] : [];
  const why = `cannot write the answer to standard output: ${messageOf(error)}`;
  return [why, ...undone].join("; ") + "\n";
}

/**
 * Makes the error of a call that a signal, or the end of its caller, has interrupted.
 * @param command CNI_COMMAND: only an ADD is taken back
 */
export function interruptedBy(what: string, command: string | undefined): CniError {
  const then = command === "ADD" ? "what had been done was taken back" : `call ${command} again`;
  return CniError.internal(`interrupted by ${what}; ${then}`);
}
