/**
 * `deno task test:kernel`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { build } from "./build/build.ts";
import { hostTarget } from "./build/targets.ts";
import { Progress } from "./build/progress.ts";
import { appears, follow } from "./test_kernel/follow.ts";
import { commandFile, guestEnvironment } from "./test_kernel/guest_command.ts";
import { initramfs } from "./test_kernel/initramfs.ts";
import { Interruption } from "./test_kernel/interruption.ts";
import { fetchKernel, type Kernel } from "./test_kernel/kernel.ts";
import { type End, type Machine, RunningMachine } from "./test_kernel/machine.ts";
import { lackingLinks, linkTests } from "./test_kernel/link_tests.ts";
import { installPackages } from "./test_kernel/packages.ts";

const USAGE =
  `Runs a command on a Debian kernel under emulation: by default the integration tests of
every link type, with the Bun executables, which are built first.

usage: deno task test:kernel [OPTION...] [-- COMMAND [ARGUMENT...]]

The guest has this machine's files, programs and current directory; what it writes is gone
afterwards, except in the directory $CNI_TEST_REPORT. It has no network but its own: two cards,
and a cable between them.

options:
  --bin DIR          test the executables in DIR instead
  --lacking          only tests that this machine skips, for want of something in its own kernel
  --report DIR       keep what the command writes to $CNI_TEST_REPORT, with its output
                     (output.log) and the kernel's (console.log)
  --timeout SECONDS  stop the guest after so long (default: 1800)
  --help             print this

The exit status is COMMAND's; 124 when the guest was stopped after the timeout, 125 when it ended
without a status or did not start, 130 when it was interrupted. A guest whose processors lock up,
which emulated ones do now and then, is booted again, once.

Debian's packages provide everything: missing ones are installed, for which this must be root. The
kernel is unpacked to cni-test-kernel in $XDG_CACHE_HOME or ~/.cache, and used again.
`;

/** Exit statuses of timeouts and failures, as timeout(1) has them, and of interruptions. */
const TIMED_OUT = 124;
const FAILED = 125;
const INTERRUPTED = 130;

/** How much of the kernel's console is shown: the traces of two processors, after a panic. */
const CONSOLE_LINES = 120;

const ROOT = decodeURIComponent(new URL("..", import.meta.url).pathname).replace(/\/$/, "");

/** `deno task` changes to the project's directory; relative paths start from this one. */
const CALLED_FROM = Deno.env.get("INIT_CWD") ?? Deno.cwd();

interface Options {
  /** The command; the link tests when empty. */
  words: string[];
  bin?: string;
  lacking: boolean;
  report?: string;
  seconds: number;
}

/** Reads the command line. @throws {Error} when it is not understood */
function readOptions(args: readonly string[]): Options | undefined {
  const parsed = parseArgs(args, {
    "--": true,
    boolean: ["help", "lacking"],
    string: ["bin", "report", "timeout"],
    alias: { help: "h" },
    unknown(argument) {
      throw new Error(`unknown argument ${argument}; a command goes after --; see --help`);
    },
  });
  if (parsed.help) return undefined;
  const timeout = (parsed.timeout ?? "1800") as string;
  if (!/^[1-9]\d{0,5}$/.test(timeout)) {
    throw new Error(`--timeout must be a number of seconds, not ${JSON.stringify(timeout)}`);
  }
  const words = parsed["--"] as string[];
  return {
    words,
    bin: parsed.bin ? resolve(CALLED_FROM, parsed.bin as string) : undefined,
    lacking: Boolean(parsed.lacking),
    report: parsed.report ? resolve(CALLED_FROM, parsed.report as string) : undefined,
    seconds: Number(timeout),
  };
}

async function main(options: Options): Promise<number> {
  const words = options.words.length > 0 ? options.words : await testCommand(options);
  using interruption = new Interruption();
  const { signal } = interruption;
  try {
    return await runGuest(words, options, signal);
  } catch (error) {
    if (signal.aborted) return INTERRUPTED;
    throw error;
  }
}

async function runGuest(
  words: readonly string[],
  { report, seconds }: Options,
  signal: AbortSignal,
): Promise<number> {
  const progress = new Progress();
  await installPackages(progress);
  const kernel = await fetchKernel(progress, signal);
  for (let isFirst = true;; isFirst = false) {
    const work = await Deno.makeTempDir({ prefix: "cni-test-kernel-" });
    try {
      const machine = await prepare(kernel, words, work, report ?? `${work}/report`);
      const end = await runMachine(machine, kernel, seconds, progress, signal);
      const status = readStatus(machine);
      // An emulator's processors sometimes wait for each other for ever. It is none of the command's
      // doing, which has all of another machine.
      if (isFirst && end === "off" && status === undefined && hasLockedUp(machine.console)) {
        console.error(endOfConsole(machine, "locked up, and is booted again, this once"));
        continue;
      }
      return exitStatus(end, status, machine, seconds);
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  }
}

/** Runs a machine until its end, and prints its command's output meanwhile. */
async function runMachine(
  machine: Machine,
  { release }: Kernel,
  seconds: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<End> {
  const output = `${machine.shares.report}/output.log`;
  await using guest = new RunningMachine(machine, seconds, signal);
  const booted = await progress.step(
    "boot",
    `Linux ${release}`,
    () => appears(output, guest.end),
    (up) => `Linux ${release}${up ? "" : " did not come up"}`,
  );
  const start = performance.now();
  if (booted) await follow(output, guest.end);
  const end = await guest.end;
  const took = ((performance.now() - start) / 1000).toFixed(1);
  progress.note(`Linux ${release}: status ${readStatus(machine) ?? "none"} after ${took} s`);
  return end;
}

/**
 * Makes the command of the link tests, with executables: the sources are five times as slow here.
 */
async function testCommand({ bin, lacking }: Options): Promise<string[]> {
  const directory = bin ?? await build({
    root: ROOT,
    output: `${ROOT}/dist/test-kernel`,
    names: [],
    runtime: "bun",
    separate: false,
    resident: false,
    target: hostTarget(),
  });
  const script = `${ROOT}/scripts/run_tests.ts`;
  const tests = linkTests().map((path) => `${ROOT}/${path}`);
  const only = lacking ? ["env", `CNI_TEST_LACKING=${lackingLinks().join(" ")}`] : [];
  return [...only, Deno.execPath(), "run", "-A", script, "--bin", directory, ...tests];
}

/** Writes the files that the guest is started with. */
async function prepare(
  kernel: Kernel,
  words: readonly string[],
  work: string,
  report: string,
): Promise<Machine> {
  const control = `${work}/control`;
  await Deno.mkdir(control);
  await Deno.mkdir(report, { recursive: true });
  await Deno.remove(`${report}/output.log`).catch(ignoreAbsence);
  await Deno.copyFile(
    new URL("test_kernel/guest/session.sh", import.meta.url),
    `${control}/session.sh`,
  );
  const env = guestEnvironment(Deno.env.toObject(), Deno.stdout.isTerminal() && !Deno.noColor);
  const modules = `${kernel.root}/lib/modules/${kernel.release}`;
  await Deno.writeTextFile(
    `${control}/command.sh`,
    commandFile({ words, directory: Deno.cwd(), env }, modules),
  );
  await Deno.writeFile(`${work}/initramfs`, await initramfs(kernel));
  return {
    kernel: kernel.image,
    initramfs: `${work}/initramfs`,
    console: `${report}/console.log`,
    cable: `${work}/cable`,
    shares: { control, report },
  };
}

function exitStatus(
  end: End,
  status: number | undefined,
  machine: Machine,
  seconds: number,
): number {
  if (status !== undefined) return status;
  if (end === "signal") return INTERRUPTED;
  const what = end === "deadline"
    ? `was stopped after ${seconds} seconds (--timeout)`
    : "ended before its command did";
  console.error(endOfConsole(machine, what));
  return end === "deadline" ? TIMED_OUT : FAILED;
}

/** Reads the status that the command ended with; undefined where it has not ended. */
function readStatus({ shares }: Machine): number | undefined {
  const status = Number.parseInt(readIfPresent(`${shares.control}/status`));
  return status >= 0 ? status : undefined;
}

function endOfConsole(machine: Machine, what: string): string {
  const lines = readIfPresent(machine.console).trim().split("\n").slice(-CONSOLE_LINES).join("\n");
  return `test_kernel: the guest ${what}; its console ends with:\n${lines || "(nothing)"}`;
}

/** Whether the kernel panicked because its processors did not get any further (`softlockup_panic`). */
function hasLockedUp(consoleFile: string): boolean {
  return readIfPresent(consoleFile).includes("Kernel panic - not syncing: softlockup");
}

function readIfPresent(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    ignoreAbsence(error);
    return "";
  }
}

function ignoreAbsence(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

if (import.meta.main) {
  try {
    const options = readOptions(Deno.args);
    if (!options) console.log(USAGE.trimEnd());
    else Deno.exitCode = await main(options);
  } catch (error) {
    console.error(`test_kernel: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = FAILED;
  }
}
