import { runtime } from "../runtime/mod.ts";
import { encodeJson } from "../types/json.ts";
import type { CommandLine } from "./command_line.ts";

/** Prints facts as JSON where that was asked for, else as lines. */
export function print(line: CommandLine, facts: object, lines: () => readonly string[]): void {
  if (line.has("json")) printJson(facts);
  else printLines(lines());
}

/** Prints one JSON document. */
export function printJson(facts: object): void {
  runtime.write(1, encodeJson(facts, 4) + "\n");
}

/** Prints lines; nothing where there are none. */
export function printLines(lines: readonly string[]): void {
  if (lines.length > 0) runtime.write(1, lines.join("\n") + "\n");
}
