import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";
import type { Command, Program } from "./command.ts";
import type { CommandLine } from "./command_line.ts";
import { COMPLETE, offerLines } from "./completion.ts";
import { help } from "./help.ts";
import { printJson, printText } from "./output.ts";
import { parseLine } from "./parse.ts";
import { UsageError } from "./usage_error.ts";

/** Runs a program. Returns its exit status: 0, 1 for a failure, 2 for a wrong command line. */
export async function runProgram(program: Program, args: readonly string[]): Promise<number> {
  let running: { command: Command; line: CommandLine } | undefined;
  try {
    if (args[0] === COMPLETE) return await printOffer(program, args.slice(1));
    const request = await parseLine(program, args);
    if (request.kind === "help") {
      printText(help(program, request.command));
      return 0;
    }
    running = request;
    return await request.command.run(request.line);
  } catch (error) {
    if (error instanceof UsageError) {
      const about = [program.name, error.command ?? running?.command.name ?? ""].filter(Boolean);
      const hint = `${about.join(" ")} --help says how it is used`;
      runtime.write(2, `${program.name}: ${error.message}\n${hint}\n`);
      return 2;
    }
    if (running?.line.has("json")) printJson({ error: CniError.from(error).toJson() });
    const failed = running && (running.command.failing?.(running.line) ?? running.command.name);
    runtime.write(2, program.explain(error, failed ?? ""));
    return 1;
  }
}

/** Answers what a shell asks while a line is typed. */
async function printOffer(program: Program, [first, ...words]: readonly string[]): Promise<number> {
  const { complete } = await import("./complete.ts");
  runtime.write(1, offerLines(complete(program, first === "--" ? words : [first ?? "", ...words])));
  return 0;
}
