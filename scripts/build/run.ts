/** A program that ended with another status than 0. */
export class ProgramError extends Error {
  override name = "ProgramError";
  constructor(program: string, readonly code: number, readonly stderr: string) {
    super(`${program} ended with status ${code}: ${stderr.trim() || "it said nothing"}`);
  }
}

/** What a program wrote. */
export interface ProgramOutput {
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end.
 * @param options.signal ends it when aborted
 * @throws {ProgramError} when it ends with another status than 0
 */
export async function run(
  program: string,
  args: readonly string[],
  options: {
    cwd?: string;
    env?: Record<string, string>;
    clearEnv?: boolean;
    signal?: AbortSignal;
  } = {},
): Promise<ProgramOutput> {
  options.signal?.throwIfAborted();
  const output = await new Deno.Command(program, { args: [...args], stdin: "null", ...options })
    .output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  if (output.success) return { stdout: stdout!, stderr: stderr! };
  throw new ProgramError(`${program} ${args[0] ?? ""}`.trim(), output.code, stderr! + stdout!);
}

/** Runs the Deno that runs this, without colours. */
export function runDeno(args: readonly string[], cwd?: string): Promise<ProgramOutput> {
  // A package.json beside or above the sources is not this project's.
  const env = { NO_COLOR: "1", DENO_NO_PACKAGE_JSON: "1", DENO_NO_UPDATE_CHECK: "1" };
  return run(Deno.execPath(), args, { cwd, env });
}
