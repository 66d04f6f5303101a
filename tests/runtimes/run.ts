/**
 * One run of a scenario: a process in namespaces and control groups of its own.
 *
 * @module
 */
import { fromFileUrl } from "../support/paths.ts";
import { programPath } from "../../scripts/support/files.ts";
import { Cgroups } from "./cgroups.ts";
import type { Message, Order, PluginSet } from "./order.ts";

/** Which scenario is run with which plugins. */
export interface Run {
  scenario: string;
  /** What the plugins are called in what is printed: `ours, then Go's`. */
  label: string;
  plugins: Record<PluginSet, string>;
  first: PluginSet;
  then: PluginSet;
  /** A directory of programs that come before those of PATH; "" for none. */
  programs: string;
}

/** What came of a run. */
export interface Outcome {
  run: Run;
  /** What failed; undefined when nothing did. */
  failure?: string;
  /** What must be the same with every set of plugins, by what it is. */
  observed: Map<string, unknown>;
  seconds: number;
  /** Release of the kernel that it ran on. */
  kernel: string;
}

/** Everything that a scenario starts is born in these, and ends with the first process in them. */
const NAMESPACES = ["--net", "--mount", "--pid", "--ipc", "--uts", "--cgroup"];
/** Reaps what containers leave to the first process of a namespace, and passes the status on. */
const FIRST_PROCESS = "catatonit";

let runs = 0;

/**
 * Runs a scenario.
 * @param onStep is told what the scenario does
 * @param signal stops it, and the deadline does
 */
export async function runScenario(
  run: Run,
  onStep: (step: string) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const start = performance.now();
  const observed = new Map<string, unknown>();
  await using groups = new Cgroups(`cni-runtimes-${Deno.pid}-${++runs}`);
  const { scenario, plugins, first, then, programs } = run;
  const order: Order = { scenario, plugins, first, then, programs, cgroups: groups.options };
  const child = groups.spawn(
    new Deno.Command("unshare", {
      args: [
        ...NAMESPACES,
        "--propagation",
        "private",
        "--fork",
        "--kill-child",
        "--mount-proc",
        FIRST_PROCESS,
        "--",
        Deno.execPath(),
        "run",
        "--allow-all",
        "--no-check",
        "--quiet",
        fromFileUrl(new URL("inside.ts", import.meta.url)),
        JSON.stringify(order),
      ],
      env: { PATH: programPath() },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }),
  );
  let last = "start";
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  const messages = forEachLine(child.stdout, (line) => {
    const message: Message = JSON.parse(line);
    if ("step" in message) onStep(last = message.step);
    else observed.set(message.observed, message.value);
  });
  let errors = "";
  const collected = forEachLine(child.stderr, (line) => void (errors += `${line}\n`));
  const { code } = await child.status;
  signal.removeEventListener("abort", stop);
  await Promise.all([messages, collected]);
  const seconds = (performance.now() - start) / 1000;
  const outcome = { run, observed, seconds, kernel: Deno.osRelease() };
  if (code === 0) return outcome;
  const why = signal.aborted ? String(signal.reason) : errors.trim() || `exit status ${code}`;
  return { ...outcome, failure: `at "${last}": ${why}` };
}

/** Calls a function for each line of text. */
export async function forEachLine(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  }
  if (rest !== "") onLine(rest);
}
