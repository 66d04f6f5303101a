/**
 * Makes the table of a plugin's keys on its page, from its JSON Schema.
 *
 * @module
 */
import { markdownTable } from "../support/markdown.ts";
import { isObject, type JsonObject, type JsonValue } from "../../lib/types/json.ts";

/** Keys that every configuration may have; docs/network-lists.md explains them. */
const COMMON = [
  "cniVersion",
  "name",
  "type",
  "capabilities",
  "prevResult",
  "runtimeConfig",
  "args",
];

/** Keys of one row: another page, or another table, explains what is in them. */
const WHOLE = ["ipam", "dns"];

/**
 * Makes a Markdown table of the keys of a plugin's JSON Schema, formatted as `deno fmt` does.
 * @param inside the key whose object the schema is of: `ipam` for an IPAM plugin
 */
export function keyTable(schema: JsonObject, inside?: string): string {
  const head = ["key" + (inside ? ` in \`${inside}\`` : ""), "type", "default", "what it says"];
  const properties = { ...schema.properties as JsonObject };
  // A plugin that does not delegate to an IPAM plugin does not read these.
  if (!inside && !(isObject(properties.ipam) && properties.ipam.$ref)) {
    for (const key of WHOLE) delete properties[key];
  }
  const rows = rowsOf({ ...schema, properties }, "", Object.keys(properties));
  return markdownTable([head, ...rows.toSorted((a, b) => place(a[0]!) - place(b[0]!))]);
}

/** Ranks the plugin's own keys first, then the runtime's, then those that all plugins have. */
function place(key: string): number {
  return ["`runtimeConfig.", "`args.", "`ipam`", "`dns`"].findIndex((start) =>
    key.startsWith(start)
  );
}

/** Makes the rows of an object. @param whole the keys at the top, for objects that have the same */
function rowsOf(
  { properties, required = [] }: JsonObject,
  path: string,
  whole: readonly string[],
): string[][] {
  if (!isObject(properties)) return [];
  return Object.entries(properties).flatMap(([key, value]) => {
    const schema = value as JsonObject;
    const name = path + key;
    const { inner, suffix } = innerOf(schema);
    const isSame = path !== "" && hasOnly(inner, whole);
    const isWhole = path === "" && WHOLE.includes(key) || isSame;
    const below = isWhole ? [] : rowsOf(inner, `${name}${suffix}.`, whole);
    // These objects need no row: those of their keys explain them.
    const isPart = path === "" && COMMON.includes(key) || name === "args.cni" && !isSame;
    if (isPart) return below;
    const { type, rest } = typeOf(schema);
    const given = schema.default === undefined || schema.default === "" ? "" : code(schema.default);
    const isRequired = (required as JsonValue[]).includes(key);
    const capability = path === "runtimeConfig." ? ` With the capability \`${key}\`.` : "";
    return [
      [
        `\`${name}\``,
        isSame ? "object with the keys above" : type,
        isRequired ? "required" : given,
        `${rest}${capability}`.trim(),
      ],
      ...below,
    ];
  });
}

/** Whether an object has several keys, all of them among `keys`. */
function hasOnly({ properties }: JsonObject, keys: readonly string[]): boolean {
  const own = isObject(properties) ? Object.keys(properties) : [];
  return own.length > 1 && own.every((key) => keys.includes(key));
}

/** Returns the object schema of a property: its own, or that of a list's items. */
function innerOf(schema: JsonObject): { inner: JsonObject; suffix: string } {
  let inner = schema;
  let suffix = "";
  while (isObject(inner.items)) {
    inner = inner.items;
    suffix += "[]";
  }
  return { inner, suffix };
}

/** The sentence by which a description says what form a text must have. */
const MUST_BE = /\s*\bMust be (?:an? |the )(.*?)(?: such as .*)?\.$/;

/** Returns the type in words, and the rest of the description. */
function typeOf(schema: JsonObject): { type: string; rest: string } {
  const said = String(schema.description ?? "");
  const [match, form] = schema.type === "string" ? MUST_BE.exec(said) ?? [] : [];
  return { type: form ?? wordsOf(schema), rest: said.replace(match ?? "", "") };
}

function wordsOf(schema: JsonObject): string {
  const { type, minimum, maximum, items, additionalProperties } = schema;
  if (Array.isArray(schema.enum)) {
    return schema.enum.filter((word) => word !== "").map(code).join(", ");
  }
  if (typeof schema.$ref === "string") return "object";
  if (isObject(items)) return `list of ${plural(typeOf(items).type)}`;
  if (isObject(additionalProperties)) {
    return `object of ${plural(typeOf(additionalProperties).type)}`;
  }
  if (type !== "integer") return String(type ?? "any");
  if (minimum !== undefined && maximum !== undefined) return `integer, ${minimum} to ${maximum}`;
  return minimum === undefined ? "integer" : `integer, from ${minimum} on`;
}

/** Makes a plural: `lists of strings`, `objects`. */
function plural(type: string): string {
  if (type.startsWith("list of ")) return type.replace("list", "lists");
  return /^(address|object)\b/.test(type)
    ? type.replace(/^(address|object)/, (word) => word + (word.endsWith("s") ? "es" : "s"))
    : `${type}s`;
}

function code(value: JsonValue): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}
