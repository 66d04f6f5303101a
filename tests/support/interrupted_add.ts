import { assertEquals, assertStringIncludes } from "@std/assert";
import { type PluginCall, pluginDirectory } from "./plugins.ts";
import { BackgroundProcess } from "./process.ts";

/**
 * Runs an ADD and sends it SIGTERM while a program that it started has done its work and not ended
 * yet. Expects that it fails, and says why.
 * @param call its `config` names the plugin
 * @param programs those of which the first that ends well is the one to interrupt
 */
export async function interruptedAdd(
  { config, netns, containerId = "test" }: {
    config: PluginCall["config"];
    netns: { path: string };
    containerId?: string;
  },
  programs: readonly string[],
): Promise<void> {
  const bin = slowPrograms(programs);
  const input = `${bin}/config`;
  Deno.writeTextFileSync(input, JSON.stringify(config));
  const start = ["-c", `exec "$0" <${input}`, `${pluginDirectory()}/${config.type}`];
  const env = {
    PATH: `${bin}:${Deno.env.get("PATH")}`,
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: "eth0",
    CNI_NETNS: netns.path,
    CNI_PATH: pluginDirectory(),
  };
  await using process = new BackgroundProcess("/bin/sh", start, { env });
  await process.until(() => hasFile(`${bin}/done`), "the program to have done its work");
  assertEquals(await process.stop("SIGTERM"), 1);
  assertStringIncludes(process.output, "interrupted by SIGTERM");
}

/** Programs of these names that go on for longer after their work than an interrupted ADD waits for a step. */
function slowPrograms(names: readonly string[]): string {
  const directory = Deno.makeTempDirSync({ dir: "/run/test", prefix: "slow-" });
  for (const name of names) {
    const script = `#!/bin/sh
PATH="\${PATH#${directory}:}"
${name} "$@" || exit
touch ${directory}/done
sleep 3
`;
    Deno.writeTextFileSync(`${directory}/${name}`, script, { mode: 0o755 });
  }
  return directory;
}

/** Whether there is a file. */
export function hasFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
