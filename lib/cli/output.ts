import { runtime } from "../runtime/mod.ts";
import { encodeJson } from "../types/json.ts";
import type { CommandLine } from "./command_line.ts";

/** Prints a text, or keeps it while {@link captured} is at work. */
let write = (text: string): void => runtime.write(1, text);

/** Does `work`, and returns what it prints instead of printing it. */
export async function captured<T>(
  work: () => Promise<T>,
): Promise<{ result: T; output: string }> {
  const before = write;
  let output = "";
  write = (text) => void (output += text);
  try {
    const result = await work();
    return { result, output };
  } finally {
    write = before;
  }
}

/** Prints a text as it is. */
export function printText(text: string): void {
  write(text);
}

/** Prints facts as JSON where that was asked for, else as lines. */
export function print(line: CommandLine, facts: object, lines: () => readonly string[]): void {
  if (line.has("json")) printJson(facts);
  else printLines(lines());
}

/** Prints one JSON document. */
export function printJson(facts: object): void {
  write(encodeJson(facts, 4) + "\n");
}

/** Prints lines; nothing where there are none. */
export function printLines(lines: readonly string[]): void {
  if (lines.length > 0) write(lines.join("\n") + "\n");
}
