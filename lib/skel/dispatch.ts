/**
 * Turns a call into a reply: one request, one handler, exactly one JSON document.
 *
 * @module
 */
import { observed } from "../observe/observed.ts";
import { endExecuted, noteDefect, warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import type { Outcome } from "../runtime/observer.ts";
import { endsWithin } from "../runtime/sleep.ts";
import { CniError } from "../types/error.ts";
import { describeValue } from "../types/fields.ts";
import { encodeJson, isObject, type JsonObject } from "../types/json.ts";
import { parseResult } from "../types/read_result.ts";
import type { Result } from "../types/result.ts";
import { renderResult } from "../types/write_result.ts";
import { readOptions } from "../types/options.ts";
import { NEWEST, SPEC_VERSIONS } from "../types/versions.ts";
import { containerNetns } from "./own_namespace.ts";
import type { DelCall, Plugin } from "./plugin.ts";
import { type Invocation, readRequest, type Request } from "./request.ts";
import { withoutWrongValues, wrongValue } from "./result_values.ts";
import type { Reply } from "./reply.ts";
import { Undo } from "./undo.ts";

/** Waits for the work of a call until an interruption: the work itself goes on after that. */
class InterruptibleWait {
  readonly #interrupted: Promise<never> | undefined;
  #work: unknown;

  constructor(interrupted: Promise<never> | undefined) {
    this.#interrupted = interrupted;
  }

  /** Resolves when what was last waited for has settled. Never rejects. */
  get settled(): Promise<unknown> {
    return Promise.allSettled([this.#work]);
  }

  /** Returns what the work gives. @throws what it throws, or the interruption */
  async for<T>(work: T | Promise<T>): Promise<T> {
    this.#work = work;
    return await (this.#interrupted ? Promise.race([work, this.#interrupted]) : work);
  }
}

/**
 * Runs a call. Never throws: every failure is an error object in the reply.
 * @param interrupted rejects when the process is told to end; the ADD under way is undone
 */
export async function dispatch<O>(
  plugin: Plugin<O>,
  invocation: Invocation,
  interrupted?: Promise<never>,
): Promise<Reply> {
  const versions = plugin.versions ?? SPEC_VERSIONS;
  if (invocation.env.CNI_COMMAND === "VERSION") return success(versionReply(versions));
  const { env } = invocation;
  const activity = { kind: "operation", plugin: plugin.name, environment: env } as const;
  return await observed(env, activity, async () => {
    const work = () => perform(plugin, versions, invocation, interrupted);
    if (!env.CNI_LOG_FILE) return await work();
    const { logged } = await import("./operation_log.ts");
    return await logged(plugin.name, env, work);
  }, outcomeOf);
}

function outcomeOf({ error, defect, network }: Reply): Outcome {
  return { error: error?.message, defect, details: { network } };
}

/** Performs a call. Never throws. */
async function perform<O>(
  plugin: Plugin<O>,
  versions: readonly string[],
  invocation: Invocation,
  interrupted: Promise<never> | undefined,
): Promise<Reply> {
  const waiting = new InterruptibleWait(interrupted);
  let request: Request | undefined;
  let reply: Reply;
  try {
    request = await waiting.for(readRequest(invocation, plugin.name, versions));
    reply = await handle(plugin, request, invocation.env, waiting);
  } catch (error) {
    const { settled } = waiting;
    const defect = defectOf(error);
    const said = defect ? explainDefect(error, defect, plugin.name, request) : error;
    reply = { ...failure(said, request?.config.cniVersion), settled, defect };
  }
  return { ...reply, network: request?.config.name };
}

/**
 * Finds the error of a defect of the code, as opposed to wrong input or a refusal of the system.
 */
function defectOf(error: unknown): unknown {
  const kinds = [TypeError, ReferenceError, RangeError, SyntaxError];
  if (!(error instanceof Error) || kinds.some((kind) => error instanceof kind)) return error;
  return error instanceof CniError && error.cause !== undefined ? defectOf(error.cause) : undefined;
}

/**
 * Says in the error object that the plugin has a defect, and writes the stack to standard error.
 */
function explainDefect(
  error: unknown,
  defect: unknown,
  name: string,
  request: Request | undefined,
): CniError {
  const { message, details } = CniError.from(error);
  noteDefect(defect);
  warn(`${defect instanceof Error ? defect.stack ?? defect.message : String(defect)}\n`);
  const what = defect instanceof Error ? `${defect.name}: ${message}` : message;
  return CniError.internal(
    `plugin ${name} failed at ${
      request?.command ?? "reading its request"
    }, by a mistake of its own: ` +
      what,
    details,
  );
}

/** Makes the reply of a plugin that failed. */
export function failure(thrown: unknown, cniVersion: string = NEWEST): Reply {
  const error = CniError.from(thrown);
  return { stdout: encodeJson(error.toJson(cniVersion), 4), exitCode: 1, error };
}

function success(stdout: string): Reply {
  return { stdout, exitCode: 0 };
}

/**
 * Makes the reply to VERSION: specification, section 4. Compact, with a newline as in the Go
 * library.
 */
function versionReply(versions: readonly string[]): string {
  return encodeJson({ cniVersion: NEWEST, supportedVersions: versions }) + "\n";
}

async function handle<O>(
  plugin: Plugin<O>,
  request: Request,
  env: Invocation["env"],
  waiting: InterruptibleWait,
): Promise<Reply> {
  const { command, config, raw, text, rule } = request;
  const options = async () =>
    plugin.options ? readOptions(await plugin.options(), raw, plugin.name) : {} as O;
  const common = { config, raw, text, env };
  if (command === "GC") {
    const { validAttachments } = request;
    await waiting.for(plugin.gc({ ...common, validAttachments }));
    return success("");
  }
  if (command === "STATUS") {
    await waiting.for(plugin.status({ ...common, options: await options() }));
    return success("");
  }
  const netns = containerNetns(env, rule);
  const containerId = env.CNI_CONTAINERID!;
  const ifName = env.CNI_IFNAME!;
  const call = {
    ...common,
    // Delegated plugins work in the same namespace.
    env: { ...env, CNI_NETNS: netns },
    attachment: { network: config.name, containerId, ifName },
    containerId,
    ifName,
    netns,
    args: env.CNI_ARGS ?? "",
  };
  switch (command) {
    case "DEL":
      await waiting.for(plugin.del(withPreviousResult(call, request)));
      return success("");
    case "CHECK": {
      const prevResult = previousResult(request);
      await waiting.for(plugin.check({ ...call, prevResult, options: await options() }));
      return success("");
    }
    case "ADD": {
      const prevResult = previousResult(request);
      const adding = { ...call, prevResult, options: await options() };
      return await add(
        async (undo) => await plugin.add({ ...adding, undo }),
        config.cniVersion,
        waiting,
      );
    }
  }
}

/**
 * How long an interrupted ADD may take to end the step under way, and again once the plugin that it
 * waits for was killed. Milliseconds.
 */
const INTERRUPTED_GRACE = 1000;

/** Runs an ADD up to its answer, and undoes it after any failure. */
async function add(
  attach: (undo: Undo) => Promise<Result>,
  cniVersion: string,
  waiting: InterruptibleWait,
): Promise<Reply> {
  const undo = new Undo();
  const work = attach(undo);
  try {
    const stdout = renderResult(requireResult(await waiting.for(work)), cniVersion);
    return { ...success(stdout), takeBack: () => undo.run() };
  } catch (error) {
    // The step under way may still make something, which can be undone only after it has ended.
    undo.stop(error);
    if (!await endsWithin(INTERRUPTED_GRACE, work)) {
      endExecuted(error);
      await endsWithin(INTERRUPTED_GRACE, work);
    }
    const left = await undo.run();
    const cause = CniError.from(error);
    if (left.length === 0) throw cause;
    const details = [cause.details, ...left].filter(Boolean).join("; ");
    throw new CniError(cause.code, cause.message, { details, cause });
  }
}

/** Checks what a plugin's `add` returned. @throws {TypeError} where it is no result: a defect */
function requireResult(result: Result): Result {
  if (!isObject(result)) {
    throw new TypeError(
      `its add() returned ${
        result === undefined ? "nothing" : describeValue(result)
      }, and must return a result`,
    );
  }
  const wrong = shapeOf(result) ?? wrongValue(result);
  if (wrong === undefined) return result;
  throw new TypeError(`its add() returned a result in which ${wrong}`);
}

/** Describes the first value of a result that has a wrong type; undefined where none has. */
function shapeOf(result: Result): string | undefined {
  try {
    parseResult({ ...result as JsonObject, cniVersion: NEWEST }, NEWEST);
    return undefined;
  } catch (error) {
    return messageOf(error).replace(/^invalid result: /, "");
  }
}

/**
 * Adds the previous result to the call of a DEL, which reads it when it is asked for: few do, and
 * none fails where it cannot be read.
 */
function withPreviousResult<C>(call: C, request: Request): C & Pick<DelCall, "prevResult"> {
  let result: { value: Result | undefined } | undefined;
  return {
    ...call,
    get prevResult() {
      result ??= { value: previousResult(request) };
      return result.value;
    },
  };
}

function previousResult({ config, rule }: Request): Result | undefined {
  if (config.prevResult === undefined) return undefined;
  let result: Result;
  try {
    result = parseResult(config.prevResult, config.cniVersion);
  } catch (error) {
    // DEL and GC go on without a previous result that cannot be read.
    if (rule.removes) return undefined;
    throw CniError.decode(`could not parse prevResult: ${messageOf(error)}`);
  }
  if (rule.removes) return withoutWrongValues(result);
  const wrong = wrongValue(result);
  if (wrong) throw CniError.decode(`could not parse prevResult: ${wrong}`);
  return result;
}
