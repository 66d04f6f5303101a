/**
 * Calls a case's plugins as a container runtime does, one process each, and takes the time.
 *
 * @module
 */
import { call } from "../../lib/libc/call.ts";
import { Descriptor, O_RDONLY } from "../../lib/libc/descriptor.ts";
import { runtime } from "../../lib/runtime/mod.ts";
import { isFile } from "../support/files.ts";
import type { Case } from "./cases.ts";
import type { Resident } from "./resident.ts";

const { dup2, getrusage } = runtime.bind("libc.so.6", {
  dup2: ["i32", "i32", "i32"],
  getrusage: ["i32", "i32", "buffer"],
});

/** GNU time, which reports the peak memory of a process and of those it waited for. */
const TIME = "/usr/bin/time";
const MEMORY_FILE = "/run/bench-memory";

/** One attachment that is measured. */
export interface Attachment {
  directory: string;
  /** The server that the directory's clients are of. */
  resident?: Resident;
  /** host-local's: one for each directory, since another's writes cost the next one time. */
  dataDir: string;
  netns: string;
  containerId: string;
  /** Whether the plugins run under GNU time: their duration means nothing then. */
  memory?: boolean;
}

/**
 * Measures the largest process of an ADD and its DEL, in kB; undefined where GNU time is not
 * installed. getrusage(2) from here would count this process's memory, which a child shares until
 * it executes.
 */
export function peakMemory(test: Case, attachment: Attachment): number | undefined {
  if (!isFile(TIME)) return undefined;
  Deno.writeTextFileSync(MEMORY_FILE, "");
  const { result } = add(test, { ...attachment, memory: true });
  del(test, attachment, result);
  const lines = Deno.readTextFileSync(MEMORY_FILE).trim().split("\n");
  return Math.max(...lines.map(Number));
}

/** What processes took, one after another, in milliseconds. */
export interface Cost {
  /** From before the first was started until the last had ended. */
  ms: number;
  /** The processors' time, as user and in the kernel, of them and of what they started. */
  cpu: number;
}

/** Calls ADD of each plugin of the chain in order. @returns the cost, and the last result */
export function add(test: Case, attachment: Attachment): Cost & { result: unknown } {
  if (throughCnitool(test, attachment)) {
    const { stdout, ...cost } = runCnitool("add", test, attachment);
    return { ...cost, result: JSON.parse(stdout) };
  }
  let result: unknown;
  const costs = test.plugins.map((plugin) => {
    const { stdout, ...cost } = runPlugin("ADD", plugin, attachment, result);
    result = JSON.parse(stdout);
    return cost;
  });
  return { ...sum(costs), result };
}

/** Calls DEL of each plugin of the chain, the last one first. */
export function del(test: Case, attachment: Attachment, result: unknown): Cost {
  if (throughCnitool(test, attachment)) return runCnitool("del", test, attachment);
  return sum(
    test.plugins.toReversed().map((plugin) => runPlugin("DEL", plugin, attachment, result)),
  );
}

function sum(costs: readonly Cost[]): Cost {
  return costs.reduce((a, b) => ({ ms: a.ms + b.ms, cpu: a.cpu + b.cpu }), { ms: 0, cpu: 0 });
}

function throughCnitool({ cnitool }: Case, { directory }: Attachment): boolean {
  return cnitool === true && isFile(`${directory}/cnitool`);
}

function runCnitool(command: string, { plugins }: Case, attachment: Attachment): Run {
  const list = plugins.map(({ runtimeConfig: _, ...plugin }) => withDataDir(plugin, attachment));
  Deno.writeTextFileSync(
    "/run/bench.conflist",
    JSON.stringify({ cniVersion: "1.0.0", name: "bench", plugins: list }),
  );
  const capabilities = Object.assign({}, ...plugins.map(({ runtimeConfig }) => runtimeConfig));
  return timed("cnitool", [command, "/run/bench.conflist", attachment.netns], attachment, {
    CAP_ARGS: JSON.stringify(capabilities),
  });
}

/** Executes a plugin's VERSION. */
export function version(directory: string, type: string): Cost {
  const config = { cniVersion: "1.0.0" };
  return withInput(config, () => timed(type, [], { directory }, { CNI_COMMAND: "VERSION" }));
}

/** Executes one plugin, as a container runtime does. */
function runPlugin(
  command: string,
  plugin: Record<string, unknown>,
  attachment: Attachment,
  prevResult: unknown,
): Run {
  const own = withDataDir(plugin, attachment);
  const config = {
    cniVersion: "1.0.0",
    name: "bench",
    ...own,
    ...(prevResult === undefined ? {} : { prevResult }),
  };
  attachment.resident?.noteCalls(1);
  return withInput(config, () =>
    timed(String(plugin.type), [], attachment, {
      CNI_COMMAND: command,
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: "eth0",
    }));
}

/** Runs a process with a configuration as its standard input. */
function withInput(config: object, run: () => Run): Run {
  const file = "/run/bench-stdin";
  Deno.writeTextFileSync(file, JSON.stringify(config));
  // outputSync takes no piped input, so our own standard input becomes the plugin's.
  using input = Descriptor.open(file, O_RDONLY);
  call(() => dup2(input.number, 0), () => "redirect standard input");
  return run();
}

function withDataDir(
  { ipam, ...plugin }: Record<string, unknown>,
  { dataDir }: Attachment,
): Record<string, unknown> {
  return ipam ? { ...plugin, ipam: { ...ipam, dataDir } } : plugin;
}

/** What a process took, and printed. */
interface Run extends Cost {
  stdout: string;
}

function timed(
  name: string,
  args: readonly string[],
  { directory, memory }: Pick<Attachment, "directory" | "memory">,
  env: Record<string, string>,
): Run {
  const executable = `${directory}/${name}`;
  const measured = ["--format=%M", "--append", `--output=${MEMORY_FILE}`, executable, ...args];
  const process = new Deno.Command(memory ? TIME : executable, {
    args: memory ? measured : [...args],
    stdin: "inherit",
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      CNI_PATH: directory,
      ...env,
    },
  });
  const before = childrenCpu();
  const start = performance.now();
  const { code, stdout, stderr } = process.outputSync();
  const ms = performance.now() - start;
  const cpu = childrenCpu() - before;
  const text = new TextDecoder().decode(stdout);
  if (code === 0) return { ms, cpu, stdout: text };
  const words = text + new TextDecoder().decode(stderr);
  throw new Error(`${executable} ${args.join(" ")} failed with status ${code}: ${words}`);
}

/**
 * Reads the processors' time that ended children took, and those that these waited for, in
 * milliseconds: getrusage(2).
 */
function childrenCpu(): number {
  const RUSAGE_CHILDREN = -1;
  const usage = new BigInt64Array(18); // struct rusage: ru_utime and ru_stime come first
  call(() => getrusage(RUSAGE_CHILDREN, usage), () => "read the time that children took");
  const [user = 0, userMicro = 0, system = 0, systemMicro = 0] = [...usage.subarray(0, 4)].map(
    Number,
  );
  return (user + system) * 1000 + (userMicro + systemMicro) / 1000;
}
