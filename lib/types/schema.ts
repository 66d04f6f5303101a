/**
 * Building blocks for the options of a plugin, with the semantics of Go's `encoding/json`: keys
 * match in any case, null is as good as absent, unknown keys are ignored. Build schemas inside a
 * function: importing this file and running a plugin without options must cost nothing.
 */
import * as z from "../deps/zod.ts";
import { foldKeys, isObject, type JsonObject, type JsonValue, parseJson } from "./json.ts";
import { MISFIT, Plan, planOf } from "./plan.ts";
import type { Schema } from "./schema_type.ts";

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

/**
 * Returns what a schema accepts as JSON Schema (draft 2020-12), with keys in the documented
 * spelling. JSON Schema cannot express that upper and lower case do not matter, nor that null
 * counts as absent.
 */
export function jsonSchemaOf(schema: Schema<unknown>): JsonObject {
  return planOf(schema).json();
}

/**
 * Makes a schema from a function: `read` returns the value, or undefined where it is invalid. It
 * keeps nothing of one call for the next, since a value may be read several times, and returns no
 * promise.
 *
 * @param expected Completes "must be", such as `an integer from 0 to 65535`.
 * @param json The same as far as JSON Schema can express it; a string when absent.
 */
export function customSchema<T>(
  expected: string,
  read: (value: JsonValue) => T | undefined,
  json: () => JsonObject = () => ({ type: "string", description: `Must be ${expected}.` }),
): Schema<T> {
  return new Plan(
    (value) => {
      const data = value === undefined ? undefined : read(value as JsonValue);
      // Of a promise zod says that nobody waits for it.
      return data === undefined || data instanceof Promise ? MISFIT : data;
    },
    () => reader(expected, read),
    json,
  );
}

/** Makes the zod schema of a custom schema, or the first step of reading an object or a list. */
function reader<T>(expected: string, read: (value: JsonValue) => T | undefined) {
  return z.transform((input: unknown, context) => {
    const value = input === undefined ? undefined : read(input as JsonValue);
    if (value !== undefined) return value;
    const message = expected + quotesHint(input, (other) => read(other) !== undefined);
    context.issues.push({ code: "custom", message, input, params: { expected: true } });
    return z.NEVER;
  });
}

/**
 * Makes the hint for a value with which only quotes are wrong: `"1500"` for 1500, or vice versa.
 */
function quotesHint(input: unknown, fits: (value: JsonValue) => boolean): string {
  if (typeof input === "number" || typeof input === "boolean") {
    return fits(String(input)) ? ", written in quotes" : "";
  }
  if (typeof input !== "string" || !/^(-?(0|[1-9]\d*)|true|false)$/.test(input)) return "";
  return fits(parseJson(input)) ? ", written without quotes" : "";
}

/** An object with the given fields; null where a field may be absent counts as absent. */
export function goObject<S extends Shape>(shape: S): Schema<ObjectOf<S>> {
  const fields = Object.entries(shape).map(([key, schema]) => [key, planOf(schema)] as const);
  const keys = fields.map(([key]) => key);
  const fold = (value: JsonValue) => isObject(value) ? foldKeys(value, keys) : undefined;
  const read = (value: unknown) => {
    const present = fold(value as JsonValue);
    if (!present) return MISFIT;
    const all: Record<string, unknown> = {};
    for (const [key, field] of fields) {
      const its = present[key];
      const data = its === undefined && field.absent ? field.absent() : field.read(its);
      if (data === MISFIT) return MISFIT;
      if (data !== undefined) all[key] = data;
    }
    return all as ObjectOf<S>;
  };
  const zod = () => {
    const all = Object.fromEntries(fields.map(([key, field]) => [key, field.zod()]));
    const object = z.pipe(reader<unknown>("an object", fold), z.object(all));
    return object as unknown as z.ZodMiniType<ObjectOf<S>>;
  };
  const json = () => {
    const required = fields.filter(([, { absent }]) => !absent).map(([key]) => key);
    return {
      type: "object",
      properties: Object.fromEntries(fields.map(([key, field]) => [key, field.json()])),
      ...required.length > 0 ? { required } : {},
    };
  };
  return new Plan(read, zod, json);
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

/** The schema of text, which may be empty. */
export function string(): Schema<string> {
  const read = (value: JsonValue) => typeof value === "string" ? value : undefined;
  return customSchema("a string", read, () => ({ type: "string" }));
}

/** `true` or `false`, without quotes. */
export function boolean(): Schema<boolean> {
  const read = (value: JsonValue) => typeof value === "boolean" ? value : undefined;
  return customSchema("true or false", read, () => ({ type: "boolean" }));
}

/** The schema of one of a few words, which the message lists. */
export function oneOf<const T extends string>(values: readonly T[]): Schema<T> {
  const quoted = values.map((value) => JSON.stringify(value));
  const expected = quoted.length === 1 ? quoted[0]! : `one of ${quoted.join(", ")}`;
  const read = (value: JsonValue) => values.find((other) => other === value);
  return customSchema(expected, read, () => ({ enum: [...values] }));
}

/** A list, which may be empty, of what `item` reads. */
export function list<T>(item: Schema<T>): Schema<T[]> {
  const plan = planOf(item);
  const listed = (value: JsonValue) => Array.isArray(value) ? value : undefined;
  const read = (value: unknown) => {
    const items = listed(value as JsonValue);
    if (!items) return MISFIT;
    const all: T[] = [];
    for (const each of items) {
      const data = plan.read(each);
      if (data === MISFIT) return MISFIT;
      all.push(data);
    }
    return all;
  };
  const zod = () => z.pipe(reader<unknown>("a list", listed), z.array(plan.zod()));
  return new Plan(read, zod, () => ({ type: "array", items: plan.json() }));
}

/**
 * The schema of what `inner` reads, or undefined where it is absent: a field that need not be
 * there.
 */
export function optional<T>(inner: Schema<T>): Schema<T | undefined> {
  const plan = planOf(inner);
  return new Plan<T | undefined>(
    plan.read,
    () => z.optional(plan.zod()),
    plan.json,
    () => undefined,
  );
}

/**
 * As {@linkcode optional}, but an empty string counts as absent, as in Go's reading of addresses.
 */
export function optionalText<T>(inner: Schema<T>): Schema<T | undefined> {
  const plan = planOf(inner);
  const unlessEmpty = (value: unknown) => value === "" ? undefined : value;
  return new Plan<T | undefined>(
    (value) => value === "" ? undefined : plan.read(value),
    () => z.optional(z.pipe(z.transform(unlessEmpty), z.optional(plan.zod()))),
    plan.json,
    () => undefined,
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
  const plan = planOf(inner);
  const standard = () => typeof value === "function" ? (value as () => T)() : value;
  return new Plan(
    plan.read,
    () => z._default(plan.zod(), value as T & z.core.util.NoUndefined<T>),
    () => ({ ...plan.json(), default: standard() as JsonValue }),
    standard,
  );
}
