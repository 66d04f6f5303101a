/**
 * JSON as Go's `encoding/json` reads and writes it, since every other CNI program is written in Go.
 */
import { locateJsonError } from "./json_error.ts";

/** A value of JSON; integers that a number cannot hold exactly are `bigint`. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject;
/** An object of JSON. */
export type JsonObject = { [key: string]: JsonValue };

/**
 * How deep objects and lists may be nested; deeper ones could exhaust the stack of the code that
 * walks them.
 */
const MAX_DEPTH = 1000;

/** The parts of "JSON.parse source text access" (ES2026), which TypeScript does not declare yet. */
interface SourceAccess {
  parse(
    text: string,
    reviver: (key: string, value: JsonValue, context: { source: string }) => unknown,
  ): JsonValue;
  rawJSON(text: string): unknown;
}
const sourceAccess = JSON as unknown as SourceAccess;

/**
 * Parses one JSON value. Integers that a number cannot hold exactly become `bigint`, so that they
 * survive; `__proto__` is a key like any other; of duplicate keys the last one counts.
 *
 * @throws {SyntaxError} naming line and column where the text is not JSON, or saying that it is
 * nested too deeply or holds a number too large for any type.
 */
export function parseJson(text: string): JsonValue {
  const value = parseText(text);
  checkDepth(value, MAX_DEPTH);
  // The reviver costs a call per value: only numbers of 16 digits or more, or with an exponent, can
  // need it.
  return /\d{16}|\d[eE]/.test(text) ? sourceAccess.parse(text, reviveNumber) : value;
}

function parseText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new SyntaxError(`invalid JSON at ${locateJsonError(text)}`, { cause: error });
  }
}

function reviveNumber(_key: string, value: JsonValue, { source }: { source: string }): JsonValue {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  if (/^-?\d+$/.test(source)) return BigInt(source);
  if (!Number.isFinite(value)) {
    throw new SyntaxError(`invalid JSON: the number ${source} is too large`);
  }
  return value;
}

function checkDepth(value: JsonValue, left: number): void {
  if (typeof value !== "object" || value === null) return;
  if (left === 0) throw new SyntaxError(`invalid JSON: nested more than ${MAX_DEPTH} levels deep`);
  for (const inner of Object.values(value)) checkDepth(inner, left - 1);
}

/**
 * Writes a value as Go does: `<`, `>`, `&` and the line separators are escaped, a `bigint` becomes
 * its digits, keys whose value is undefined are dropped, and there is no newline at the end.
 *
 * @param indent Spaces per level; without it the text is one compact line.
 * @throws {TypeError} for values that JSON has no form for: undefined, NaN, infinities.
 */
export function encodeJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, replaceNumber, indent);
  if (text === undefined) throw new TypeError(`cannot write ${typeof value} as JSON`);
  if (!/[<>&\u2028\u2029]/.test(text)) return text;
  return text.replace(
    /[<>&\u2028\u2029]/g,
    (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

function replaceNumber(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return sourceAccess.rawJSON(String(value));
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`cannot write ${value} as JSON`);
  }
  return value;
}

/** Tells whether `value` is a JSON object: not null, not a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Makes a deep copy with the keys of every object in alphabetical order, as Go prints its maps.
 */
export function sortKeys<T extends JsonValue>(value: T): T;
export function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => sortKeys(item));
  if (!isObject(value)) return value;
  // The default order compares UTF-16 code units: for the keys of this protocol, the same order as
  // that of Go's bytes.
  const sorted: JsonObject = {};
  for (const key of Object.keys(value).sort()) setKey(sorted, key, sortKeys(value[key]!));
  return sorted;
}

/** Gives an object an own key, be it `__proto__`, which an assignment takes for its prototype. */
export function setKey(object: JsonObject, key: string, value: JsonValue): void {
  if (key !== "__proto__") {
    object[key] = value;
    return;
  }
  const own = { value, configurable: true, enumerable: true, writable: true };
  Object.defineProperty(object, key, own);
}

/**
 * Looks up `key` by Go's rule for field names: upper and lower case do not matter, and of several
 * spellings the last one that is not null counts. Undefined when there is none.
 */
export function getFold(object: JsonObject, key: string): JsonValue | undefined {
  const folded = key.toLowerCase();
  const spellings = Object.keys(object).filter((other) => other.toLowerCase() === folded);
  const found = spellings.findLast((other) => object[other] !== null) ?? spellings[0];
  return found === undefined ? undefined : object[found];
}

/**
 * Returns `object` as a Go program with fields named `keys` reads it: {@linkcode getFold} for each
 * of them, absent where it is missing or null. Other keys follow, unchanged.
 */
export function foldKeys(object: JsonObject, keys: readonly string[]): JsonObject {
  const values: (JsonValue | undefined)[] = [];
  const others: string[] = [];
  for (const key of Object.keys(object)) {
    const index = indexOfFolded(keys, key);
    const value = object[key]!;
    if (index < 0) others.push(key);
    else if (value !== null) values[index] = value;
  }
  const folded: JsonObject = {};
  for (const [index, key] of keys.entries()) {
    const value = values[index];
    if (value !== undefined) folded[key] = value;
  }
  for (const key of others) setKey(folded, key, object[key]!);
  return folded;
}

/** Finds which of `names`, which are ASCII, is `key` but for upper and lower case; -1 for none. */
function indexOfFolded(names: readonly string[], key: string): number {
  const index = names.indexOf(key); // nearly every key is spelled as it should be
  if (index >= 0) return index;
  const folded = key.toLowerCase();
  return names.findIndex((name) => name.length === key.length && name.toLowerCase() === folded);
}
