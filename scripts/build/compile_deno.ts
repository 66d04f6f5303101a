import type { Bundle } from "./bundle.ts";
import { ProgramError, runDeno } from "./run.ts";
import type { Target } from "./targets.ts";

/** `deno compile` has no base executable, and cannot fetch one. */
export class NoBaseExecutable extends Error {
  override name = "NoBaseExecutable";
}

/** What `deno compile` prints where its base executable is missing, or is none. */
const ABOUT_BASE = /denort|base binary|invalid object/i;

/**
 * What an executable that lives for milliseconds gives V8. Feedback for its compilers is allocated once
 * a function was called 8 times, and it is optimized after 400: waiting ten times as long takes 4 % of
 * loopback's CPU time and 9 of bridge's.
 */
const V8_FLAGS_OF_PLUGINS = [
  // Handing work to other threads costs more than these take over: without, 2 % less of loopback's
  // CPU time and 5 of firewall's.
  "--single-threaded",
  "--invocation-count-for-feedback-allocation=100",
  "--invocation-count-for-maglev=4000",
  "--invocation-count-for-maglev-osr=2000",
  // MB. A single call gains nothing from more: to touch new pages costs it what a collection does.
  "--max-semi-space-size=1",
];

/** What an executable that is mostly the resident server gives V8. */
const V8_FLAGS_OF_SERVERS = [
  // Several threads that collect garbage on two processors take a quarter of a storm's ADDs a second.
  "--single-threaded-gc",
  // Every function is compiled at once, without being optimized. A storm's ADD takes 2.0 ms of its
  // thread's time, and 2.3 with a plugin's flags.
  "--always-sparkplug",
  // Another thread optimizes what is called often, from the first dozen requests on, by what was
  // noted since the first call. A chain's ADD takes a twelfth less time than where the serving thread
  // does that itself, which takes a millisecond in the middle of somebody's request.
  "--no-lazy-feedback-allocation",
  "--invocation-count-for-maglev=150",
  // MB. With 1, which is where it begins by default, every second call waits 0.5 ms for a collection:
  // a chain's ADDs took a tenth longer. With 8 or 16 they take no less, but the server more memory.
  "--min-semi-space-size=4",
  "--max-semi-space-size=4",
];

/** What is special about an executable made with Deno. */
export interface DenoOptions {
  /** `--allow-…` arguments; whatever they leave out is denied without asking. */
  permissions: readonly string[];
  /** Whether it is mostly the resident server, and a plugin only where that does not run. */
  resident: boolean;
}

/**
 * Compiles a bundle with `deno compile`.
 * @throws {NoBaseExecutable} when the base executable can be found nowhere
 */
export async function compileWithDeno(
  { main, workers }: Bundle,
  output: string,
  target: Target,
  { permissions, resident }: DenoOptions,
): Promise<void> {
  const flags = resident ? V8_FLAGS_OF_SERVERS : V8_FLAGS_OF_PLUGINS;
  if (target.libc === "musl") {
    throw new Error(`Deno is there for glibc only, and not for ${target.deno}; --runtime bun is`);
  }
  try {
    await runDeno([
      "compile",
      "--quiet",
      "--no-prompt",
      ...permissions,
      "--no-check",
      // The bundle is complete: nothing outside it takes part.
      "--no-config",
      "--no-lock",
      "--no-remote",
      "--no-npm",
      // The code cache is a file with a predictable name in /tmp, from where any user could have
      // root's plugins load code. It would save 2 ms of loopback's 31 and 5 of portmap's 50.
      "--no-code-cache",
      `--v8-flags=${flags.join(",")}`,
      ...workers.map((worker) => `--include=${worker}`),
      `--target=${target.deno}`,
      `--output=${output}`,
      main,
    ], main.slice(0, main.lastIndexOf("/")));
  } catch (error) {
    if (error instanceof ProgramError && ABOUT_BASE.test(error.stderr)) {
      throw new NoBaseExecutable(explain(error.stderr, target), { cause: error });
    }
    throw error;
  }
}

function explain(stderr: string, { deno: machine }: Target): string {
  const lines = stderr.split("\n").map((line) => line.replace(/^\s*(\d+:|error:)\s*/, "").trim());
  const said = lines.find((line) => ABOUT_BASE.test(line));
  const wanted = `denort ${Deno.version.deno} for ${machine}`;
  return `deno compile could not get its base executable, ${wanted}: ${said}\n` +
    "It is downloaded from Deno's own host unless DENORT_BIN names it. Ways out:\n" +
    `  DENORT_BIN=/path/to/denort  ${wanted}, fetched elsewhere\n` +
    "  --runtime bun               needs nothing but the npm registry";
}
