import { decodeText } from "../runtime/decode.ts";
import { runtime } from "../runtime/mod.ts";
import type { CommandLine } from "./command_line.ts";
import type { Option } from "./command.ts";
import { UsageError } from "./usage_error.ts";

/** `--yes`: do it without asking. */
export const YES_OPTION: Option = { name: "yes", short: "y", help: "do it without asking" };

/**
 * Asks on standard error whether something is to be done, unless `--yes` was given. Only `y` and
 * `yes` mean yes.
 *
 * @throws {UsageError} where nobody is at a terminal to answer
 */
export function isConfirmed(line: CommandLine, question: string): boolean {
  if (line.has("yes")) return true;
  if (!runtime.isTerminal(0)) {
    throw new UsageError(`${question} Nobody is there to answer: --yes does it without asking`);
  }
  runtime.write(2, `${question} [y/N] `);
  // A terminal gives a line at a time.
  const answer = decodeText(runtime.readStdin(0)).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}
