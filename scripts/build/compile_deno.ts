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
 * V8 allocates feedback for its compilers once a function was called 8 times, and optimizes it
 * after 400. A process that lives for milliseconds gains nothing from either: waiting ten times as
 * long takes 4 % of loopback's CPU time and 9 of bridge's. In a daemon a function is called that
 * often soon enough. Handing work to other threads of V8's costs more than these take over:
 * without, 2 % less of loopback's CPU time and 5 of firewall's, and a resident server that is called
 * by many on two processors makes a quarter more ADDs a second.
 */
const V8_FLAGS = [
  "--single-threaded",
  "--invocation-count-for-feedback-allocation=100",
  "--invocation-count-for-maglev=4000",
  "--invocation-count-for-maglev-osr=2000",
  // MB: most of the resident server's peak memory was garbage in the young generation. A single call
  // gains nothing from more: to touch new pages costs it what a collection does.
  "--max-semi-space-size=1",
];

/**
 * Compiles a bundle with `deno compile`.
 * @param permissions `--allow-…` arguments; whatever they leave out is denied without asking
 * @throws {NoBaseExecutable} when the base executable can be found nowhere
 */
export async function compileWithDeno(
  { main, workers }: Bundle,
  output: string,
  target: Target,
  permissions: readonly string[],
): Promise<void> {
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
      `--v8-flags=${V8_FLAGS.join(",")}`,
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
