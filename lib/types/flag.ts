import type { JsonValue } from "./json.ts";

/** Reads a boolean of a network list, which may be a string, too; undefined for anything else. */
export function readFlag(value: JsonValue): boolean | undefined {
  if (typeof value === "boolean") return value;
  const word = typeof value === "string" ? value.toLowerCase() : "";
  return word === "true" || word === "false" ? word === "true" : undefined;
}
