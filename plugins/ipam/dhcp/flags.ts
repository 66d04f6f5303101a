import { CniError } from "../../../lib/types/error.ts";
import { parseDuration } from "./time.ts";

/** What a flag takes: nothing, text, or a duration as Go writes it. */
export type FlagKind = "switch" | "text" | "duration";

/**
 * Reads flags as Go's do: `-name value`, `-name=value`, with one dash or two.
 * @param flags the known ones
 * @returns durations in milliseconds; only those that were given, and not as empty text
 * @throws {CniError} code 4 naming the flag
 */
export function readFlags<F extends Readonly<Record<string, FlagKind>>>(
  args: readonly string[],
  flags: F,
): Partial<Record<keyof F, string | number | boolean>> {
  const values: Partial<Record<keyof F, string | number | boolean>> = {};
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name = "", assigned] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const kind = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (!kind) throw CniError.invalidEnvironment(`unknown argument ${JSON.stringify(arg)}`);
    const value = read(name, kind, kind === "switch" ? assigned : assigned ?? rest.shift());
    if (value !== "") values[name as keyof F] = value;
  }
  return values;
}

function read(name: string, kind: FlagKind, text: string | undefined): string | number | boolean {
  if (kind === "switch") {
    if (text === undefined || /^(?:1|t|T|true|True|TRUE)$/.test(text)) return true;
    if (/^(?:0|f|F|false|False|FALSE)$/.test(text)) return false;
    throw CniError.invalidEnvironment(
      `-${name} is ${JSON.stringify(text)}, but must be true or false, or be given without a value`,
    );
  }
  if (text === undefined) {
    throw CniError.invalidEnvironment(`-${name} needs a value`);
  }
  if (kind === "text") return text;
  const ms = parseDuration(text);
  if (ms) return ms;
  throw CniError.invalidEnvironment(
    `-${name} is ${JSON.stringify(text)}, but must be a duration such as 10s or 1m30s`,
  );
}
