/**
 * Delegation: a plugin calls another one, such as its IPAM plugin, with its own parameters.
 */
import { CniError } from "../types/error.ts";
import { getFold, isObject, parseJson } from "../types/json.ts";
import type { Result } from "../types/result.ts";
import { UnknownOutcome } from "../types/unknown_outcome.ts";
import { messageOf } from "../runtime/errors.ts";
import { callerEnvironment } from "../runtime/caller.ts";
import { inheritArgs } from "./env.ts";
import { callPlugin, execPlugin } from "./exec.ts";
import { findForCommand, splitPath } from "./find.ts";
import { givenPlugin } from "./in_process.ts";
import { readResult } from "./result.ts";

/** The parameters that a plugin passes on. */
export interface Delegation {
  /** The plugin's own, whole configuration. */
  stdin: string;
  /** The environment it was called with; this process's own when absent. */
  env?: Readonly<Record<string, string>>;
}

/**
 * Finds plugin `type` among those that the call was given as functions, else on CNI_PATH, and runs it
 * with `command`. Returns what it printed.
 *
 * @throws {CniError} the plugin's own error; code 7 when it cannot be found (50 for STATUS), 4
 * without CNI_PATH.
 */
export async function delegate(
  type: string,
  command: string,
  { stdin, env = callerEnvironment() }: Delegation,
): Promise<string> {
  const given = givenPlugin(type);
  if (given) return await callPlugin(type, given, { stdin, env: inheritArgs(command, env) });
  const file = findForCommand(command, type, splitPath(env.CNI_PATH ?? ""));
  return await execPlugin(file, { stdin, env: inheritArgs(command, env) });
}

/**
 * Delegates ADD to plugin `type`, as {@linkcode delegate} does. Returns its result.
 * @throws {UnknownOutcome} also code 6 when what it printed is no result
 */
export async function delegateAdd(type: string, request: Delegation): Promise<Result> {
  const version = versionOf(request.stdin);
  const printed = await delegate(type, "ADD", request);
  try {
    return readResult(printed, version);
  } catch (error) {
    throw UnknownOutcome.of(CniError.from(error));
  }
}

/** Delegates CHECK to plugin `type`, as {@linkcode delegate} does. */
export async function delegateCheck(type: string, request: Delegation): Promise<void> {
  await delegate(type, "CHECK", request);
}

/** Delegates DEL to plugin `type`, as {@linkcode delegate} does. */
export async function delegateDel(type: string, request: Delegation): Promise<void> {
  await delegate(type, "DEL", request);
}

/**
 * Delegates STATUS to plugin `type`, as {@linkcode delegate} does.
 * @throws {CniError} also code 50 when the plugin cannot be found
 */
export async function delegateStatus(type: string, request: Delegation): Promise<void> {
  await delegate(type, "STATUS", request);
}

/** Delegates GC to plugin `type`, as {@linkcode delegate} does. */
export async function delegateGc(type: string, request: Delegation): Promise<void> {
  await delegate(type, "GC", request);
}

function versionOf(stdin: string): string {
  try {
    const config = parseJson(stdin);
    const version = isObject(config) && getFold(config, "cniVersion");
    return typeof version === "string" ? version : "";
  } catch (error) {
    throw CniError.decode(`error unmarshall network config: ${messageOf(error)}`);
  }
}
