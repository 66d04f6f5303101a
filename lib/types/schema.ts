/**
 * Building blocks for the options of a plugin, with the semantics of Go's `encoding/json`: keys
 * match in any case, null is as good as absent, unknown keys are ignored. Build schemas inside a
 * function: importing this file and running a plugin without options must cost nothing.
 */
import { foldKeys, isObject, type JsonObject, type JsonValue, parseJson } from "./json.ts";
import type { Issue, ParseResult, Schema } from "./schema_type.ts";

/** What a schema reads. */
export type Infer<S extends Schema<unknown>> = S extends Schema<infer T> ? T : never;

/** The fields of an object, by key. */
export type Shape = Readonly<Record<string, Schema<unknown>>>;

/** The object with the fields of a shape; those that may be undefined may be absent. */
export type ObjectOf<S extends Shape> = Simplify<
  & { [K in keyof S as undefined extends Infer<S[K]> ? never : K]: Infer<S[K]> }
  & { [K in keyof S as undefined extends Infer<S[K]> ? K : never]?: Infer<S[K]> }
>;

/** One object type for an intersection of several. */
export type Simplify<T> = { [K in keyof T]: T[K] };

/** A schema that the functions below make. */
class Built<T> implements Schema<T> {
  /**
   * A schema from what it does.
   * @param read reads a value that stands at `path`, undefined for one that is absent, and puts what
   * is wrong with it to `issues`; what it returns then counts for nothing
   * @param json what it takes, as {@linkcode jsonSchemaOf} has it
   * @param mayBeAbsent whether a field of an object need not be there
   */
  constructor(
    readonly read: (value: unknown, path: Path, issues: Issue[]) => T,
    readonly json: () => JsonObject,
    readonly mayBeAbsent = false,
  ) {}

  safeParse(value: unknown): ParseResult<T> {
    const issues: Issue[] = [];
    const data = this.read(value, [], issues);
    return issues.length === 0 ? { success: true, data } : { success: false, error: { issues } };
  }
}

type Path = readonly PropertyKey[];

/** The schema as what it is inside. */
function built<T>(schema: Schema<T>): Built<T> {
  return schema as Built<T>;
}

/**
 * What a schema takes, as JSON Schema (draft 2020-12), with keys in the spelling that is documented.
 * JSON Schema knows neither that upper and lower case do not matter nor that null is as good as
 * absent.
 */
export function jsonSchemaOf(schema: Schema<unknown>): JsonObject {
  return built(schema).json();
}

/**
 * A schema from a function: `read` gives the value, or undefined for what is not one.
 *
 * @param expected Completes "must be", such as `an integer from 0 to 65535`.
 * @param json The same as far as JSON Schema can tell; a text when absent.
 */
export function customSchema<T>(
  expected: string,
  read: (value: JsonValue) => T | undefined,
  json: () => JsonObject = () => ({ type: "string", description: `Must be ${expected}.` }),
): Schema<T> {
  return new Built((input, path, issues) => {
    const value = input === undefined ? undefined : read(input as JsonValue);
    if (value === undefined) {
      const message = expected + quotesHint(input, (other) => read(other) !== undefined);
      issues.push({ path, message, input, params: { expected: true } });
    }
    return value as T;
  }, json);
}

/** What to say when only quotes are wrong: `"1500"` for 1500, or the other way round. */
function quotesHint(input: unknown, fits: (value: JsonValue) => boolean): string {
  if (typeof input === "number" || typeof input === "boolean") {
    return fits(String(input)) ? ", written in quotes" : "";
  }
  if (typeof input !== "string" || !/^(-?(0|[1-9]\d*)|true|false)$/.test(input)) return "";
  return fits(parseJson(input)) ? ", written without quotes" : "";
}

/** An object with the given fields; null where a field may be absent counts as absent. */
export function goObject<S extends Shape>(shape: S): Schema<ObjectOf<S>> {
  const fields = Object.entries(shape).map(([key, schema]) => [key, built(schema)] as const);
  const keys = fields.map(([key]) => key);
  const folded = built(customSchema(
    "an object",
    (value) => isObject(value) ? foldKeys(value, keys) : undefined,
  ));
  return new Built((input, path, issues) => {
    const object = folded.read(input, path, issues);
    const result: Record<string, unknown> = {};
    // What is no object has been said.
    for (const [key, { read }] of object === undefined ? [] : fields) {
      const isPresent = Object.hasOwn(object, key);
      const value = read(isPresent ? object[key] : undefined, [...path, key], issues);
      if (isPresent || value !== undefined) result[key] = value;
    }
    return result as ObjectOf<S>;
  }, () => {
    const required = fields.filter(([, { mayBeAbsent }]) => !mayBeAbsent).map(([key]) => key);
    return {
      type: "object",
      properties: Object.fromEntries(fields.map(([key, { json }]) => [key, json()])),
      ...required.length > 0 ? { required } : {},
    };
  });
}

/** A whole number; without limits any that a number holds exactly. */
export function integer(limits: { min?: number; max?: number } = {}): Schema<number> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = limits;
  const range = limits.min === undefined && limits.max === undefined
    ? ""
    : limits.max === undefined
    ? ` from ${min} on`
    : limits.min === undefined
    ? ` up to ${max}`
    : ` from ${min} to ${max}`;
  return customSchema(
    `an integer${range}`,
    (value) =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
        ? value
        : undefined,
    () => ({
      type: "integer",
      ...limits.min === undefined ? {} : { minimum: min },
      ...limits.max === undefined ? {} : { maximum: max },
    }),
  );
}

/** A whole number of 64 bits without sign. */
export function uint64(): Schema<bigint> {
  const read = (value: JsonValue) => {
    const integer = typeof value === "bigint" || Number.isSafeInteger(value)
      ? BigInt(value as number | bigint)
      : -1n;
    return integer >= 0n && integer < 1n << 64n ? integer : undefined;
  };
  const json = () => ({ type: "integer", minimum: 0 });
  return customSchema("an integer from 0 to 18446744073709551615", read, json);
}

/** Text, which may be empty. */
export function string(): Schema<string> {
  const read = (value: JsonValue) => typeof value === "string" ? value : undefined;
  return customSchema("a string", read, () => ({ type: "string" }));
}

/** `true` or `false`, without quotes. */
export function boolean(): Schema<boolean> {
  const read = (value: JsonValue) => typeof value === "boolean" ? value : undefined;
  return customSchema("true or false", read, () => ({ type: "boolean" }));
}

/** One of a few words, which the message lists. */
export function oneOf<const T extends string>(values: readonly T[]): Schema<T> {
  const quoted = values.map((value) => JSON.stringify(value));
  const expected = quoted.length === 1 ? quoted[0]! : `one of ${quoted.join(", ")}`;
  const read = (value: JsonValue) => values.find((other) => other === value);
  return customSchema(expected, read, () => ({ enum: [...values] }));
}

/** A list, which may be empty, of what `item` reads. */
export function list<T>(item: Schema<T>): Schema<T[]> {
  const { read, json } = built(item);
  const outer = built(
    customSchema("a list", (value) => Array.isArray(value) ? value as JsonValue[] : undefined),
  );
  return new Built(
    (input, path, issues) =>
      outer.read(input, path, issues)?.map((value, index) => read(value, [...path, index], issues)),
    () => ({ type: "array", items: json() }),
  );
}

/** What `inner` reads, or undefined where it is absent: a field that need not be there. */
export function optional<T>(inner: Schema<T>): Schema<T | undefined> {
  const { read, json } = built(inner);
  return new Built(
    (input, path, issues) => input === undefined ? undefined : read(input, path, issues),
    json,
    true,
  );
}

/** As {@linkcode optional}; empty text is as good as absent, as it is to Go where it reads addresses. */
export function optionalText<T>(inner: Schema<T>): Schema<T | undefined> {
  const { read, json } = built(optional(inner));
  return new Built(
    (input, path, issues) => read(input === "" ? undefined : input, path, issues),
    json,
    true,
  );
}

/**
 * `inner`, or `value` where it is absent. Objects and lists are given by a function: they may be
 * changed.
 */
export function withDefault<T>(
  inner: Schema<T>,
  value: NoInfer<T> | (() => NoInfer<T>),
): Schema<T> {
  const { read, json } = built(inner);
  const standard = () => typeof value === "function" ? (value as () => T)() : value;
  return new Built(
    (input, path, issues) => input === undefined ? standard() : read(input, path, issues),
    () => ({ ...json(), default: standard() as JsonValue }),
    true,
  );
}
