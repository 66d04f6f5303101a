/** Runs a plugin (specification, section 2): configuration in, result or error object out. */
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import { foldKeys, isObject, parseJson } from "../types/json.ts";
import { UnknownOutcome } from "../types/unknown_outcome.ts";
import { errnoCode, messageOf } from "../runtime/errors.ts";
import { untilEnded, warn } from "../runtime/caller.ts";
import { runtime } from "../runtime/mod.ts";
import type { RunOutput } from "../runtime/types.ts";
import { type InProcessPlugin, lookupInProcess } from "./in_process.ts";

/** When a plugin that is still running is killed. */
export interface Limits {
  /** Milliseconds after which the plugin is killed; ten minutes when absent. */
  timeoutMs?: number;
  /** Kills the plugin when aborted. */
  abort?: AbortSignal;
}

/** The input and limits of a plugin. */
export interface ExecOptions extends Limits {
  /** The plugin's configuration. */
  stdin: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
}

/**
 * The default timeout of a plugin: longer than that of container runtimes, so that only plugins
 * that hang and have no caller any more are killed. Milliseconds.
 */
const DEADLINE_MS = 10 * 60_000;
/** How long to wait for an executable that is being written (ETXTBSY). Milliseconds. */
const BUSY_DEADLINE_MS = 5000;
/**
 * The lines of a failed plugin's standard error, or of what it printed instead of an error object,
 * that an error quotes.
 */
const QUOTED_LINES = 12;
const QUOTED_CHARS = 2000;

/** How a plugin ended. */
interface Ended {
  /** "" after success, else like `exit status 1`. */
  failure: string;
  stdout: string;
  stderr: string;
}

/**
 * Runs the plugin `file` and returns its standard output. After success its standard error is
 * written to this process's own.
 *
 * A plugin that is this same executable is called as a function, unless there are `limits`: only a
 * process can be killed.
 *
 * @throws {UnknownOutcome} code 999 when it failed without an error object, was killed or timed out
 * @throws {CniError} the plugin's own error object; code 5 when it cannot be started, 11 when the
 * file is still being written after five seconds.
 */
export async function execPlugin(file: string, options: ExecOptions): Promise<string> {
  const killable = options.timeoutMs !== undefined || options.abort !== undefined;
  const plugin = killable ? undefined : lookupInProcess(file);
  const ended = plugin ? await call(plugin, options) : await execute(file, options);
  if (ended.failure !== "") throw pluginError(file, ended);
  if (ended.stderr !== "") warn(ended.stderr);
  return ended.stdout;
}

/**
 * Calls a plugin as a function, and returns what its process would print.
 * @param name names it in errors
 * @throws {CniError} the plugin's own error object
 */
export async function callPlugin(
  name: string,
  plugin: InProcessPlugin,
  options: Pick<ExecOptions, "stdin" | "env">,
): Promise<string> {
  const ended = await call(plugin, options);
  if (ended.failure !== "") throw pluginError(name, ended);
  return ended.stdout;
}

async function call(
  plugin: InProcessPlugin,
  { stdin, env }: Pick<ExecOptions, "stdin" | "env">,
): Promise<Ended> {
  const { stdout, exitCode } = await plugin({ env: { ...env }, stdin: () => stdin });
  return { failure: exitCode === 0 ? "" : `exit status ${exitCode}`, stdout, stderr: "" };
}

/** Starts a process, and tries again while its file is being written. */
async function execute(file: string, options: ExecOptions): Promise<Ended> {
  const start = performance.now();
  const busyMs = Math.min(BUSY_DEADLINE_MS, options.timeoutMs ?? Infinity);
  for (let waitMs = 10;; waitMs = Math.min(2 * waitMs, 500)) {
    try {
      return endOf(await runWithin(file, options));
    } catch (error) {
      if (errnoCode(error) !== "ETXTBSY") throw startError(file, error);
    }
    if (performance.now() + waitMs > start + busyMs) {
      throw CniError.tryAgainLater(
        `cannot execute ${file}: it has been open for writing for ${busyMs} ms (ETXTBSY); try again once it is written`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Runs the plugin. Throws where the limits ended it. */
async function runWithin(file: string, options: ExecOptions): Promise<RunOutput> {
  const { stdin, env, timeoutMs = DEADLINE_MS, abort: own } = options;
  const abort = AbortSignal.any([untilEnded(), ...own ? [own] : []]);
  const name = () => quote(baseName(file));
  if (abort.aborted) {
    throw CniError.internal(`plugin ${name()} was not started: ${messageOf(abort.reason)}`);
  }
  const output = await runtime.run(file, [], {
    stdin,
    env,
    timeoutMs,
    abort,
    passesObserver: true,
  });
  const why = output.timedOut
    ? `did not finish within ${timeoutMs} ms`
    : abort.aborted
    ? `was interrupted (${messageOf(abort.reason)})`
    : undefined;
  if (why === undefined) return output;
  throw UnknownOutcome.of(CniError.internal(
    `plugin ${name()} ${why} and was killed: it may have done part of its work, DEL undoes it`,
  ));
}

function endOf({ code, signal, stdout, stderr }: RunOutput): Ended {
  const decoder = new TextDecoder();
  const failure = code === 0 ? "" : code === null ? `killed by ${signal}` : `exit status ${code}`;
  return { failure, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/**
 * Why a program could not be started, and the remedy, by the name of the errno.
 */
const START_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "it may not be executed: set its execute permission (chmod 755)",
  ENOENT: "the interpreter that its first line names, or its loader, does not exist",
  ENOEXEC: "it is not an executable for this machine, nor a script with a #! line",
};

function startError(file: string, error: unknown): CniError {
  if (error instanceof CniError) return error;
  const code = errnoCode(error);
  const known = code && START_ERRORS[code];
  return CniError.io(`cannot execute ${file}: ${known ? `${code}, ${known}` : messageOf(error)}`);
}

/** Makes the error of a plugin that failed: its own error object's, or one with its exit status. */
function pluginError(file: string, { failure, stdout, stderr }: Ended): CniError {
  const own = errorObject(stdout);
  if (own) return own;
  const said = stderr.trim() === ""
    ? "and wrote nothing to stderr"
    : `and wrote to stderr: ${tail(stderr)}`;
  const printed = stdout.trim() === ""
    ? "no error object"
    : `what is no error object: ${tail(stdout)}`;
  return UnknownOutcome.of(CniError.internal(
    `plugin ${quote(baseName(file))} failed (${failure}), printed ${printed}, ${said}`,
  ));
}

function errorObject(stdout: string): CniError | undefined {
  try {
    const value = parseJson(stdout);
    return isObject(value)
      ? CniError.fromJson(foldKeys(value, ["code", "msg", "details"]))
      : undefined;
  } catch {
    return undefined;
  }
}

/** Quotes the last lines of `text`. */
function tail(text: string): string {
  const lines = text.trimEnd().split("\n").slice(-QUOTED_LINES).join("\n");
  return quote(lines.slice(-QUOTED_CHARS));
}

function baseName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}
