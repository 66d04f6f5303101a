/**
 * Writes a line of JSON for each operation to the file that CNI_LOG_FILE names. `dispatch` loads
 * this only where that variable is set.
 *
 * @module
 */
import { O_CREAT } from "../libc/descriptor.ts";
import { LineFile } from "../libc/line_file.ts";
import { warnOnce } from "../runtime/caller.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { encodeJson, type JsonObject } from "../types/json.ts";
import type { Reply } from "./reply.ts";

/** The values of CNI_LOG_LEVEL: failures only, every operation, or also the details of errors. */
const LEVELS = ["error", "info", "debug"] as const;

/** An operation that has ended. */
interface Operation {
  plugin: string;
  /** The environment of the call. */
  env: Readonly<Record<string, string>>;
  durationMs: number;
  reply: Reply;
}

/** Performs an operation, and appends its line. */
export async function logged(
  plugin: string,
  env: Operation["env"],
  perform: () => Promise<Reply>,
): Promise<Reply> {
  const startMs = performance.now();
  const reply = await perform();
  append({ plugin, env, durationMs: performance.now() - startMs, reply });
  return reply;
}

/** Appends an operation's line. Never throws and never blocks: a call must not fail for its log. */
function append(operation: Operation): void {
  const { env, reply: { exitCode } } = operation;
  const file = env.CNI_LOG_FILE!;
  const level = LEVELS.find((known) => known === env.CNI_LOG_LEVEL) ?? "info";
  if (level === "error" && exitCode === 0) return;
  try {
    using lines = LineFile.open(file, O_CREAT);
    lines.append(encodeJson(lineOf(operation, level === "debug")));
  } catch (error) {
    warnOnce(`CNI_LOG_FILE: ${messageOf(error)}; operations go on without a log\n`);
  }
}

function lineOf(
  { plugin, env, durationMs, reply }: Operation,
  withDetails: boolean,
): JsonObject {
  const { network = "", error, defect } = reply;
  const stack = defect instanceof Error ? defect.stack : undefined;
  const named = {
    network,
    container: env.CNI_CONTAINERID ?? "",
    interface: env.CNI_IFNAME ?? "",
    netns: env.CNI_NETNS ?? "",
  };
  return {
    time: new Date().toISOString(),
    level: error ? "error" : "info",
    plugin,
    command: env.CNI_COMMAND ?? "",
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== "")),
    durationMs: Math.round(durationMs * 10) / 10,
    outcome: error ? "failure" : "success",
    ...error && { code: error.code, msg: error.message },
    ...withDetails && error?.details ? { details: error.details } : {},
    ...stack === undefined ? {} : { stack },
    pid: runtime.pid,
  };
}
