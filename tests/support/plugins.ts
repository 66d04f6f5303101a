/**
 * Running plugins as a container runtime does: as executables found on CNI_PATH.
 *
 * `CNI_TEST_BIN` names the directory of the executables under test. Without it they are run from
 * source, through small scripts that start Deno.
 *
 * @module
 */
import type { NetNs } from "../../lib/ns/netns.ts";
import { findCommands } from "../../scripts/build/commands.ts";
import { fromFileUrl } from "./paths.ts";
import type { Sandbox } from "./sandbox.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** How to call a plugin. */
export interface PluginCall {
  command: "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION";
  /** The configuration; `type` says which plugin. */
  config: Record<string, unknown>;
  containerId?: string;
  ifName?: string;
  /** A namespace or its path; empty or absent where there is none. */
  netns?: NetNs | string;
  args?: string;
  /** Where its executable, and those it calls, are; {@link pluginDirectory} when absent. */
  bin?: string;
  /** More of the environment, or other values for CNI_*. */
  env?: Record<string, string>;
}

/** What a plugin answered. */
export interface PluginReply {
  code: number;
  /** Standard output as it came. */
  stdout: string;
  stderr: string;
  /** Standard output, parsed; undefined when there was none. */
  // deno-lint-ignore no-explicit-any -- results are asserted on in parts
  json: any;
}

/** Calls a plugin and returns what it answered, success or not. */
export function tryPlugin(_sandbox: Sandbox, call: PluginCall): PluginReply {
  const { command, config, containerId = "test", ifName = "eth0", netns = "", args = "" } = call;
  const { bin = pluginDirectory() } = call;
  const output = outputWithInput(`${bin}/${config.type}`, JSON.stringify(config), {
    PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: Deno.env.get("HOME") ?? "/",
    ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: ifName,
    CNI_NETNS: typeof netns === "string" ? netns : netns.path,
    CNI_ARGS: args,
    CNI_PATH: bin,
    ...call.env,
  });
  return { ...output, json: output.stdout === "" ? undefined : JSON.parse(output.stdout) };
}

/** Calls a plugin that is expected to succeed; returns its result. */
// deno-lint-ignore no-explicit-any -- results are asserted on in parts
export function plugin(sandbox: Sandbox, call: PluginCall): any {
  const reply = tryPlugin(sandbox, call);
  if (reply.code === 0) return reply.json;
  throw new Error(`${call.config.type} ${call.command}: ${reply.stdout}${reply.stderr}`);
}

/** Calls a plugin that is expected to fail; returns its error object. */
export function pluginError(
  sandbox: Sandbox,
  call: PluginCall,
): { code: number; msg: string; details?: string; cniVersion: string } {
  const reply = tryPlugin(sandbox, call);
  if (reply.code === 1 && typeof reply.json?.code === "number") return reply.json;
  throw new Error(
    `${call.config.type} ${call.command} should have failed; ` +
      `exit status ${reply.code}: ${reply.stdout}${reply.stderr}`,
  );
}

/** Calls ADD of a plugin with a standard output that takes nothing. Returns its exit status. */
export function addInVain(sandbox: Sandbox, call: Omit<PluginCall, "command">): number {
  const { type } = call.config;
  const bin = `${sandbox.directory}/in-vain`;
  Deno.mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh\nexec '${pluginDirectory()}/${type}' >/dev/full\n`;
  Deno.writeTextFileSync(`${bin}/${type}`, script, { mode: 0o755 });
  const env = { CNI_PATH: pluginDirectory(), ...call.env };
  return tryPlugin(sandbox, { ...call, command: "ADD", bin, env }).code;
}

/** The directory to put on CNI_PATH. */
export function pluginDirectory(): string {
  return Deno.env.get("CNI_TEST_BIN") ?? sourceDirectory();
}

/** Scripts under every command's name that run it from source; made anew in each sandbox. */
function sourceDirectory(): string {
  const directory = "/run/test/bin";
  try {
    if (Deno.statSync(directory).isDirectory) return directory;
  } catch {
    Deno.mkdirSync(directory, { recursive: true });
  }
  const add = (name: string, file: string) =>
    Deno.writeTextFileSync(
      `${directory}/${name}`,
      `#!/bin/sh\nexec '${Deno.execPath()}' run -qA --no-check '${file}' "$@"\n`,
      { mode: 0o755 },
    );
  for (const { name, entry } of findCommands(ROOT)) add(name, entry);
  return directory;
}

/** Runs a program with a text on its standard input and nothing but `env` as its environment. */
export function outputWithInput(
  program: string,
  input: string,
  env: Record<string, string>,
  args: readonly string[] = [],
): { code: number; stdout: string; stderr: string } {
  // outputSync takes no piped input, and an asynchronous child might be born outside the sandbox:
  // a shell without variables in its text reads the input from a file.
  const file = `/run/test/input-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(file, input);
  const output = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$0" "$@" <"$CNI_TEST_INPUT"', program, ...args],
    env: { ...env, CNI_TEST_INPUT: file },
    clearEnv: true,
    stdin: "null",
  }).outputSync();
  Deno.removeSync(file);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}
