/**
 * Reads the fields of configurations and results, and words what is wrong with a value that is not
 * what it should be.
 */
import { foldKeys, isObject, type JsonObject, type JsonValue } from "./json.ts";

/** Describes a value for an error message: `"1500" (a string)`, `true (a boolean)`, `an object`. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return `${shown} (a ${typeof value === "bigint" ? "number" : typeof value})`;
}

/** Says `"mtu" is "1500" (a string), but must be an integer`; `it is …` where `path` is "". */
export function mismatch(path: string, value: unknown, expected: string): string {
  const what = path === "" ? "it" : JSON.stringify(path);
  if (value === undefined) return `${what} is missing: it must be ${expected}`;
  return `${what} is ${describeValue(value)}, but must be ${expected}`;
}

/** Returns the path of a key of the object at `path`: `ips[0].address`. */
function at(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/**
 * The fields of one object, read by name. A field that is absent or null reads as undefined; one of
 * another type throws what `fail` makes of a sentence like `"ips[0].gateway" is 1 (a number), but
 * must be a string`.
 */
export class Fields {
  /** Keys as the protocol spells them, in its order; unknown ones follow. */
  readonly values: JsonObject;

  /** @param path The object's path, as messages name it; "" for the outermost. */
  constructor(
    value: JsonValue,
    keys: readonly string[],
    readonly path: string,
    readonly fail: (mismatch: string) => Error,
  ) {
    if (!isObject(value)) throw fail(mismatch(path, value, "an object"));
    this.values = foldKeys(value, keys);
  }

  string(key: string): string | undefined {
    return this.#read(key, "a string", (value) => typeof value === "string");
  }

  integer(key: string, min: number): number | undefined {
    const isIt = (value: JsonValue): value is number =>
      Number.isSafeInteger(value) && (value as number) >= min;
    return this.#read(key, `an integer from ${min} on`, isIt);
  }

  object(key: string): JsonObject | undefined {
    return this.#read(key, "an object", isObject);
  }

  /** Reads the object under `key`. */
  inner(key: string, keys: readonly string[]): Fields | undefined {
    const value = this.values[key];
    return value === undefined ? undefined : new Fields(value, keys, at(this.path, key), this.fail);
  }

  /** Reads the list under `key`, whose items must be objects. */
  each(key: string, keys: readonly string[]): Fields[] | undefined {
    const list = this.#read(key, "a list", (value) => Array.isArray(value));
    return list?.map((item, index) =>
      new Fields(item, keys, `${at(this.path, key)}[${index}]`, this.fail)
    );
  }

  strings(key: string): string[] | undefined {
    const isIt = (value: JsonValue): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === "string");
    return this.#read(key, "a list of strings", isIt);
  }

  /** Reads an object whose values are all booleans; null counts as false. */
  booleans(key: string): Record<string, boolean> | undefined {
    const object = this.object(key);
    if (object === undefined) return undefined;
    const entries = Object.entries(object).map(([name, value]): [string, boolean] => {
      if (typeof value === "boolean" || value === null) return [name, value ?? false];
      throw this.fail(mismatch(at(at(this.path, key), name), value, "true or false"));
    });
    return Object.fromEntries(entries);
  }

  /** Makes the error for a value that has the right type but is invalid. */
  mismatch(key: string, expected: string): Error {
    return this.fail(mismatch(at(this.path, key), this.values[key], expected));
  }

  #read<T extends JsonValue>(
    key: string,
    expected: string,
    isIt: (value: JsonValue) => value is T,
  ): T | undefined {
    const value = this.values[key];
    if (value === undefined || isIt(value)) return value;
    throw this.mismatch(key, expected);
  }
}
