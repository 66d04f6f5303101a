/**
 * Reads a plugin's options with a schema. This file is apart from the schemas' building blocks
 * because every plugin loads it, but only those with options load zod.
 *
 * @module
 */
import { CniError } from "./error.ts";
import { mismatch } from "./fields.ts";
import { getFold, isObject, type JsonObject, type JsonValue } from "./json.ts";
import type { Issue, Schema } from "./schema_type.ts";

/**
 * Reads a plugin's options.
 *
 * @param what Names the configuration in messages: the plugin.
 * @throws {CniError} code 7 such as `invalid bridge configuration: "mtu" is "1500" (a string), but
 * must be an integer from 0 to 65535, written without quotes`. It names everything that is wrong,
 * not only the first.
 */
export function readOptions<T>(schema: Schema<T>, raw: JsonObject, what: string): T {
  return readValue(
    schema,
    raw,
    (problems) => CniError.invalidConfig(`invalid ${what} configuration: ${problems}`),
  );
}

/**
 * Looks up a single option. DEL and GC use it instead of a schema: they read only what they need,
 * and ignore what is wrong.
 *
 * @param path the keys that lead there, in any case: `"ipam", "dataDir"`
 * @returns undefined where it is absent or null, or a key on the path holds no object
 */
export function findOption(raw: JsonObject, ...path: string[]): JsonValue | undefined {
  let value: JsonValue | undefined = raw;
  for (const key of path) value = isObject(value) ? getFold(value, key) : undefined;
  return value ?? undefined;
}

/** Looks up a string, as {@linkcode findOption}; undefined also where it is no string, or empty. */
export function findText(raw: JsonObject, ...path: string[]): string | undefined {
  const value = findOption(raw, ...path);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/**
 * Reads any value, such as what a file holds.
 *
 * @param fail Makes the error from one line that names everything that is wrong.
 * @throws what `fail` makes
 */
export function readValue<T>(
  schema: Schema<T>,
  value: JsonValue,
  fail: (problems: string) => Error,
): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw fail(result.error.issues.map(sentence).join("; "));
}

/** Lists what is wrong with a value: the path and a sentence for each problem. */
export function problemsIn(
  schema: Schema<unknown>,
  value: JsonValue,
): { path: readonly PropertyKey[]; message: string }[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  return result.error.issues.map((issue) => ({ path: issue.path, message: sentence(issue) }));
}

function sentence(issue: Issue): string {
  const path = issue.path.reduce<string>(
    (whole, part) =>
      typeof part === "number"
        ? `${whole}[${part}]`
        : whole === ""
        ? String(part)
        : `${whole}.${String(part)}`,
    "",
  );
  // Custom schemas say what a value must be; a plugin's own checks are sentences already.
  if (issue.params?.expected) {
    return mismatch(path, issue.input, issue.message);
  }
  return path === "" ? issue.message : `${JSON.stringify(path)}: ${issue.message}`;
}
