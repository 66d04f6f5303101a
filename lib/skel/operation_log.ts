/**
 * A line of JSON for each operation, in the file that CNI_LOG_FILE names. Loaded only where it is
 * set: `dispatch` looks.
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { Descriptor, O_CREAT, O_NONBLOCK } from "../libc/descriptor.ts";
import { transfers } from "../libc/symbols.ts";
import { fromCaller, warn } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { encodeJson, isObject, type JsonObject, parseJson } from "../types/json.ts";

/** `fcntl.h` */
const O_WRONLY = 1;
const O_APPEND = 0o2000;

/** The values of CNI_LOG_LEVEL: failures only, every operation, or also details for debugging. */
const LEVELS = ["error", "info", "debug"] as const;

/** An operation that has ended. */
export interface Operation {
  plugin: string;
  /** The environment of the call. */
  env: Readonly<Record<string, string>>;
  /** The network's name; "" where the configuration could not be read. */
  network: string;
  durationMs: number;
  exitCode: number;
  /** The text on standard output: of a failure the error object. */
  stdout: string;
  /** What was thrown, where that is a defect of the plugin. */
  defect?: unknown;
}

/** Log files whose failure was reported already. */
const reported = new Set<string>();

/** Appends an operation's line. Never throws and never blocks: a call must not fail for its log. */
export function logOperation(operation: Operation): void {
  const { env, exitCode } = operation;
  const file = env.CNI_LOG_FILE!;
  const level = LEVELS.find((known) => known === env.CNI_LOG_LEVEL) ?? "info";
  if (level === "error" && exitCode === 0) return;
  try {
    append(fromCaller(file), `${encodeJson(lineOf(operation, level === "debug"))}\n`);
  } catch (error) {
    if (reported.has(file)) return;
    reported.add(file);
    warn(`CNI_LOG_FILE: ${messageOf(error)}; operations go on without a log\n`);
  }
}

function lineOf(operation: Operation, withStack: boolean): JsonObject {
  const { plugin, env, network, durationMs, exitCode, defect } = operation;
  const error = exitCode === 0 ? undefined : errorOf(operation.stdout);
  const stack = withStack && defect instanceof Error ? defect.stack : undefined;
  const named = {
    network,
    container: env.CNI_CONTAINERID ?? "",
    interface: env.CNI_IFNAME ?? "",
    netns: env.CNI_NETNS ?? "",
  };
  return {
    time: new Date().toISOString(),
    level: exitCode === 0 ? "info" : "error",
    plugin,
    command: env.CNI_COMMAND ?? "",
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== "")),
    durationMs: Math.round(durationMs * 10) / 10,
    outcome: exitCode === 0 ? "success" : "failure",
    ...error,
    ...stack === undefined ? {} : { stack },
    pid: runtime.pid,
  };
}

function errorOf(stdout: string): JsonObject {
  try {
    const value = parseJson(stdout);
    if (isObject(value)) return { code: value.code ?? 0, msg: value.msg ?? "" };
  } catch {
    // Not an error object: the line has no message.
  }
  return {};
}

/** Appends a line in one write, so that those of concurrent operations do not mix. */
function append(path: string, line: string): void {
  // Not blocking: a pipe without a reader, or a full one, must not delay an operation.
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK;
  using file = Descriptor.open(path, flags, 0o600);
  const bytes = new TextEncoder().encode(line);
  const { write } = transfers();
  const written = call(() => write(file.number, bytes, bytes.length), () => `write to ${path}`);
  if (written < bytes.length) throw new Error(`only part of a line fitted into ${path}`);
}
