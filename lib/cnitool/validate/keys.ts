/** Finds keys that no plugin reads: misspelt, or in the wrong object. */
import { didYouMean } from "../../cli/suggest.ts";
import { isObject, type JsonObject, type JsonValue } from "../../types/json.ts";
import type { Document } from "./finding.ts";

/** Objects in which runtimes and chained plugins may have keys of their own. */
const OPEN = ["args", "runtimeConfig", "prevResult"];

/**
 * Warns of keys, at any depth, that a JSON Schema does not have.
 *
 * @param who reads the object, like `bridge`
 */
export async function noteUnknownKeys(
  document: Document,
  path: readonly PropertyKey[],
  value: JsonValue | undefined,
  schema: JsonObject,
  who: string,
): Promise<void> {
  if (Array.isArray(value) && isObject(schema.items)) {
    for (const [index, item] of value.entries()) {
      await noteUnknownKeys(document, [...path, index], item, schema.items, who);
    }
  }
  const { properties } = schema;
  if (!isObject(value) || !isObject(properties)) return;
  const known = Object.keys(properties);
  for (const [key, inner] of Object.entries(value)) {
    const own = known.find((name) => name.toLowerCase() === key.toLowerCase());
    if (own === undefined) {
      const meant = await didYouMean(key, known);
      document.note(
        "warning",
        [...path, key],
        `${who} does not know the key "${key}"${meant}`,
        "key",
      );
    } else if (!OPEN.includes(own)) {
      await noteUnknownKeys(document, [...path, key], inner, properties[own] as JsonObject, who);
    }
  }
}
