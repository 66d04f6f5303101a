/**
 * Building blocks for the options of a plugin, with the semantics of Go's `encoding/json`: keys
 * match in any case, null is as good as absent, unknown keys are ignored. Build schemas inside a
 * function: importing this file and running a plugin without options must cost nothing.
 */
import * as z from "../deps/zod.ts";
import { foldKeys, isObject, type JsonObject, type JsonValue, parseJson } from "./json.ts";
import type { ParseResult, Schema } from "./schema_type.ts";

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

/** A schema that suffices for one value, and that value as the schema takes it. */
interface Fitting<T> {
  readonly schema: z.ZodMiniType<T>;
  /** Of objects only the known keys, spelled as the schema spells them. */
  readonly input: unknown;
}

/**
 * A schema that makes its zod schemas only when they are needed. A plugin reads one configuration,
 * which has few of the possible fields: making a zod schema for each of the others would take most
 * of the time of reading.
 */
class Plan<T> implements Schema<T> {
  #whole: z.ZodMiniType<T> | undefined;

  /**
   * Makes a plan of the functions that make the schema.
   * @param make makes the schema of any value
   * @param json makes the JSON Schema, as {@linkcode jsonSchemaOf} returns it
   * @param fitting makes what suffices for a value; the whole schema is used when absent
   * @param absent makes the value of a field that is absent; the field is required without it
   */
  constructor(
    readonly make: () => z.ZodMiniType<T>,
    readonly json: () => JsonObject,
    readonly fitting: (value: unknown) => Fitting<T> = (input) => ({ schema: this.whole, input }),
    readonly absent?: () => T,
  ) {}

  /** The schema of any value. */
  get whole(): z.ZodMiniType<T> {
    return this.#whole ??= this.make();
  }

  safeParse(value: unknown): ParseResult<T> {
    // Compiling a schema that is used once costs more than it saves.
    const { schema, input } = this.fitting(value);
    return schema.safeParse(input, { jitless: true, reportInput: true });
  }
}

/** Returns a schema as the plan that it is: only this file makes schemas. */
function planOf<T>(schema: Schema<T>): Plan<T> {
  return schema as Plan<T>;
}

/**
 * Returns what a schema accepts as JSON Schema (draft 2020-12), with keys in the documented
 * spelling. JSON Schema cannot express that upper and lower case do not matter, nor that null
 * counts as absent.
 */
export function jsonSchemaOf(schema: Schema<unknown>): JsonObject {
  return planOf(schema).json();
}

/**
 * Makes a schema from a function: `read` returns the value, or undefined where it is invalid.
 *
 * @param expected Completes "must be", such as `an integer from 0 to 65535`.
 * @param json The same as far as JSON Schema can express it; a string when absent.
 */
export function customSchema<T>(
  expected: string,
  read: (value: JsonValue) => T | undefined,
  json: () => JsonObject = () => ({ type: "string", description: `Must be ${expected}.` }),
): Schema<T> {
  return new Plan(() => reader(expected, read), json);
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
  type Fields = Record<string, z.ZodMiniType>;
  const fields = Object.entries(shape).map(([key, schema]) => [key, planOf(schema)] as const);
  const keys = fields.map(([key]) => key);
  const whole = () => {
    const read = (value: JsonValue) => isObject(value) ? foldKeys(value, keys) : undefined;
    const all: Fields = Object.fromEntries(fields.map(([key, field]) => [key, field.whole]));
    return z.pipe(reader<unknown>("an object", read), z.object(all));
  };
  /**
   * The schema that was made last. In a process that serves many calls most configurations have the
   * same fields, and making a schema takes longer than reading with it.
   */
  let made: { shape: Fields; schema: z.ZodMiniType } | undefined;
  /** Makes the schema of the fields that `value` has, or must have. */
  const fitting = (value: unknown): Fitting<unknown> => {
    if (!isObject(value as JsonValue)) return { schema: plan.whole, input: value };
    const present = foldKeys(value as JsonObject, keys);
    const shape: Fields = {};
    const input: Record<string, unknown> = {};
    for (const [key, field] of fields) {
      const its = present[key];
      if (its === undefined && field.absent) continue;
      const fitted = field.fitting(its);
      shape[key] = fitted.schema;
      if (its !== undefined) input[key] = fitted.input;
    }
    if (made && hasSameFields(made.shape, shape)) return { schema: made.schema, input };
    const others = fields.filter(([key]) => !(key in shape));
    const schema = z.pipe(
      z.object(shape),
      z.transform((read: Record<string, unknown>) => {
        const all: Record<string, unknown> = {};
        for (const [key, { absent }] of others) {
          const value = absent!();
          if (value !== undefined) all[key] = value;
        }
        return Object.assign(all, read);
      }),
    );
    made = { shape, schema };
    return { schema, input };
  };
  const json = () => {
    const required = fields.filter(([, { absent }]) => !absent).map(([key]) => key);
    return {
      type: "object",
      properties: Object.fromEntries(fields.map(([key, field]) => [key, field.json()])),
      ...required.length > 0 ? { required } : {},
    };
  };
  const plan: Plan<ObjectOf<S>> = new Plan(
    () => whole() as unknown as z.ZodMiniType<ObjectOf<S>>,
    json,
    (value) => fitting(value) as Fitting<ObjectOf<S>>,
  );
  return plan;
}

/** Tells whether two objects have the same keys with the same values. */
function hasSameFields<T>(one: Record<string, T>, other: Record<string, T>): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
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
  const outer = () =>
    reader<unknown>("a list", (value) => Array.isArray(value) ? value : undefined);
  return new Plan(
    () => z.pipe(outer(), z.array(plan.whole)),
    () => ({ type: "array", items: plan.json() }),
  );
}

/**
 * The schema of what `inner` reads, or undefined where it is absent: a field that need not be
 * there.
 */
export function optional<T>(inner: Schema<T>): Schema<T | undefined> {
  const plan = planOf(inner);
  return new Plan<T | undefined>(
    () => z.optional(plan.whole),
    plan.json,
    plan.fitting,
    () => undefined,
  );
}

/**
 * As {@linkcode optional}, but an empty string counts as absent, as in Go's reading of addresses.
 */
export function optionalText<T>(inner: Schema<T>): Schema<T | undefined> {
  const plan = planOf(inner);
  const unlessEmpty = () => z.transform((input: unknown) => input === "" ? undefined : input);
  return new Plan<T | undefined>(
    () => z.optional(z.pipe(unlessEmpty(), z.optional(plan.whole))),
    plan.json,
    undefined,
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
    () => z._default(plan.whole, value as T & z.core.util.NoUndefined<T>),
    () => ({ ...plan.json(), default: standard() as JsonValue }),
    plan.fitting,
    standard,
  );
}
