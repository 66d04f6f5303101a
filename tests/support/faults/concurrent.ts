import type { PluginReply } from "../plugins.ts";

/** How long a call may take before it counts as one that waits for ever. Milliseconds. */
const TIMEOUT = 120_000;

/**
 * Runs a plugin while others run. @param directory where its input is kept meanwhile
 * @throws {Error} when it has not ended in two minutes; it is killed then
 */
export async function startPlugin(
  program: string,
  config: unknown,
  env: Record<string, string>,
  directory = "/run/test",
): Promise<PluginReply> {
  const file = `${directory}/input-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(file, JSON.stringify(config));
  // Born in the sandbox, which only the thread that starts it is in.
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$0" <"$CNI_TEST_INPUT"', program],
    env: { ...env, CNI_TEST_INPUT: file },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, TIMEOUT);
  const output = await child.output();
  clearTimeout(timer);
  Deno.removeSync(file);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const [stdout, stderr] = [text(output.stdout), text(output.stderr)];
  if (isLate) {
    throw new Error(
      `${env.CNI_COMMAND} of ${program} had no end after ${TIMEOUT / 1000} s: ${stderr}`,
    );
  }
  return {
    code: output.code,
    stdout,
    stderr,
    json: stdout === "" ? undefined : JSON.parse(stdout),
  };
}
