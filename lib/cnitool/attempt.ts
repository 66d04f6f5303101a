import type { CommandLine } from "../cli/command_line.ts";
import { printJson } from "../cli/output.ts";
import { observed } from "../observe/observed.ts";
import { runtime } from "../runtime/mod.ts";
import { currentObserver } from "../runtime/observer.ts";
import { CniError } from "../types/error.ts";
import { explain } from "./explain.ts";
import { handleSignals } from "./interruption.ts";
import { Progress } from "./terminal.ts";

/** What is attempted, for the message when it fails. */
export interface Attempt {
  /** Completes "cannot", like `attach eth0 in /run/netns/blue to demo`. */
  what: string;
  /** What `--json` prints beside the error. */
  facts: object;
  /** Makes the remedy for an error; "" where there is none. */
  remedy?: (error: CniError) => string;
}

/**
 * Does something that may take long or fail: shows progress, and prints an error. Returns the exit
 * status.
 */
export async function attempt(
  line: CommandLine,
  { what, facts, remedy }: Attempt,
  work: (progress: Progress) => Promise<void>,
): Promise<number> {
  handleSignals();
  try {
    using progress = new Progress();
    await observedAs(what, () => work(progress));
    return 0;
  } catch (thrown) {
    const error = CniError.from(thrown);
    if (line.has("json")) printJson({ ...facts, error: error.toJson() });
    runtime.write(2, explain(error, what, remedy?.(error)));
    return 1;
  }
}

/** Observes `work` where the environment asks for it; `cnitool trace` observes it already. */
async function observedAs(name: string, work: () => Promise<void>): Promise<void> {
  if (currentObserver()) return await work();
  await observed(runtime.environment(), { kind: "command", name }, work, () => ({}));
}
