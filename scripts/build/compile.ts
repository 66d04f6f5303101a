import type { Bundle } from "./bundle.ts";
import { compileWithBun } from "./compile_bun.ts";
import { compileWithDeno, type DenoOptions } from "./compile_deno.ts";
import { type Progress, size } from "./progress.ts";
import { ProgramError, run } from "./run.ts";
import { checkMachine, hostTarget, type RuntimeName, type Target } from "./targets.ts";

/** What an executable is to be. */
export interface CompileOptions {
  /** Where it goes. */
  path: string;
  /** Its name in messages. */
  name: string;
  /** A part of what it says when it is asked for its version. */
  says: string;
  runtime: RuntimeName;
  target: Target;
  /** What is special about it with Deno. */
  deno: DenoOptions;
  progress: Progress;
}

/**
 * Compiles a bundle, and tries the executable.
 * @returns what the executable says when it is asked for its version; undefined where it is for
 * another machine
 * @throws {NoBaseExecutable} when `deno compile` lacks what it must download
 */
export async function compile(
  bundled: Bundle,
  { path, name, says, runtime, target, deno, progress }: CompileOptions,
): Promise<string | undefined> {
  await progress.step(
    "compile",
    `${name} for ${target[runtime]}`,
    async () => {
      if (runtime === "deno") {
        await compileWithDeno(bundled, path, target, deno);
        return `Deno ${Deno.version.deno}`;
      }
      return `Bun ${(await compileWithBun(bundled, path, target)).version}`;
    },
    (by) => `${name}: ${size(Deno.statSync(path).size)} with ${by} for ${target[runtime]}`,
  );
  checkMachine(path, target);
  if (target === hostTarget()) return await checkRuns(path, says, runtime);
  progress.note(`${name} is for another machine, so it was not tried`);
  return undefined;
}

/** Starts the executable: with a base executable of another version it would fail. */
async function checkRuns(path: string, says: string, runtime: RuntimeName): Promise<string> {
  let said: string;
  try {
    said = (await run(path, ["--version"], {
      clearEnv: true,
      env: { NO_COLOR: "1" },
      cwd: "/",
    })).stdout;
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    said = error.stderr;
  }
  if (said.includes(says)) return said;
  const hint = runtime === "deno" && Deno.env.has("DENORT_BIN")
    ? `; DENORT_BIN must name the denort of Deno ${Deno.version.deno}`
    : "";
  throw new Error(
    `what was compiled does not run: asked for its version it should say ${
      JSON.stringify(says)
    }, and said ` + JSON.stringify(said) + hint,
  );
}
