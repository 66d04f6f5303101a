import { type Command, JSON_OPTION, type Program } from "../../cli/command.ts";
import { captured, printJson } from "../../cli/output.ts";
import { runProgram } from "../../cli/run_program.ts";
import { runtime } from "../../runtime/mod.ts";
import { parseJson } from "../../types/json.ts";
import { explain } from "../explain.ts";
import { style } from "../terminal.ts";
import { add } from "./add.ts";
import { check } from "./check.ts";
import { del } from "./del.ts";
import { gc } from "./gc.ts";
import { repair } from "./repair.ts";
import { status } from "./status.ts";

/** cnitool, with the commands that call plugins. */
const TRACED: Program = {
  name: "cnitool",
  summary: "",
  commands: [add, check, del, gc, repair, status],
  explain,
};

/** `cnitool trace` */
export const trace: Command = {
  name: "trace",
  operands: [],
  rest: "COMMAND ARGUMENT…",
  restProgram: TRACED,
  summary: "do a command, and show all that is done for it, with times",
  description: `COMMAND is ${
    TRACED.commands.map(({ name }) => name).join(", ")
  }, with its own options behind it.
Shown are plugins, requests to the kernel by name, rules, programs, files that are changed, and locks:
when each began, and how long it took. A plugin of another maker is one program. The trace is on
standard error, behind what the command itself prints; the exit status is the command's.`,
  options: [{ ...JSON_OPTION, help: "print the trace as JSON, and in it what COMMAND prints" }],
  example: "cnitool trace add demo blue",
  json: `{ command: string[];
  status: number;          // the exit status
  output: any;             // what the command printed: JSON where it is, else text
  trace: Part[] }
with Part = { kind: "command" | "operation" | "plugin" | "program" | "netlink" | "batch" | "dbus"
    | "http" | "file" | "lock";
  name: string; pid: number;
  atMs: number;            // since the beginning
  durationMs?: number;     // absent where it did not end
  error?: string;
  details: object;         // by kind: docs/tracing.md
  parts: Part[] }`,
  failing: ({ rest }) => `trace ${rest.join(" ")}`,
  async run(line) {
    const command = line.rest;
    const { recordTrace } = await import("../trace/record.ts");
    const record = () =>
      recordTrace(`cnitool ${command.join(" ")}`, () => runProgram(TRACED, command));
    if (line.has("json")) {
      const { result: { status, trace }, output } = await captured(record);
      printJson({ command, status, output: asJson(output), trace });
      return status;
    }
    const { status, trace } = await record();
    const isNothing = trace.every(({ parts }) => parts.length === 0);
    if (isNothing) return status;
    const { traceLines } = await import("../trace/text.ts");
    runtime.write(2, traceLines(trace, style()).join("\n") + "\n");
    return status;
  },
};

function asJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}
