/**
 * The table of a plugin's keys on its page, made of its JSON Schema.
 *
 * @module
 */
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

/** What is said on another page, or in a table of its own, and so in one row. */
const WHOLE = ["ipam", "dns"];

/**
 * The keys of a plugin's JSON Schema as a Markdown table, formatted as `deno fmt` does.
 * @param inside the key whose object the schema is of: `ipam` for an IPAM plugin
 */
export function keyTable(schema: JsonObject, inside?: string): string {
  const head = ["key" + (inside ? ` in \`${inside}\`` : ""), "type", "default", "what it says"];
  const properties = { ...schema.properties as JsonObject };
  // Of a plugin that gives nobody to IPAM, these are not its own.
  if (!inside && !(isObject(properties.ipam) && properties.ipam.$ref)) {
    for (const key of WHOLE) delete properties[key];
  }
  const rows = rowsOf({ ...schema, properties }, "", Object.keys(properties));
  return markdownTable([head, ...rows.toSorted((a, b) => place(a[0]!) - place(b[0]!))]);
}

/** The plugin's own keys first, then what the runtime gives, then what all have. */
function place(key: string): number {
  return ["`runtimeConfig.", "`args.", "`ipam`", "`dns`"].findIndex((start) =>
    key.startsWith(start)
  );
}

/** @param whole the keys at the top, for objects that have the same */
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
    // These have no meaning of their own: their keys say what they are for.
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

/** Whether an object's keys are several, and among others. */
function hasOnly({ properties }: JsonObject, keys: readonly string[]): boolean {
  const own = isObject(properties) ? Object.keys(properties) : [];
  return own.length > 1 && own.every((key) => keys.includes(key));
}

/** The objects that a property holds: itself, or the items of a list of them. */
function innerOf(schema: JsonObject): { inner: JsonObject; suffix: string } {
  let inner = schema;
  let suffix = "";
  while (isObject(inner.items)) {
    inner = inner.items;
    suffix += "[]";
  }
  return { inner, suffix };
}

/** What a text must be, as its schema says it in words. */
const MUST_BE = /\s*\bMust be (?:an? |the )(.*?)(?: such as .*)?\.$/;

/** The type in words, and what is left of the description. */
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

/** `list of strings`, `lists of objects` */
function plural(type: string): string {
  if (type.startsWith("list of ")) return type.replace("list", "lists");
  return /^(address|object)\b/.test(type)
    ? type.replace(/^(address|object)/, (word) => word + (word.endsWith("s") ? "es" : "s"))
    : `${type}s`;
}

function code(value: JsonValue): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

/** Rows as a Markdown table whose columns are aligned. */
function markdownTable(rows: readonly string[][]): string {
  const cells = rows.map((row) => row.map((text) => text.replaceAll("|", "\\|")));
  const widths = cells[0]!.map((_, i) => Math.max(3, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[], fill = " ") =>
    `| ${row.map((text, i) => text.padEnd(widths[i]!, fill)).join(" | ")} |\n`;
  const [head, ...body] = cells;
  return [line(head!), line(widths.map(() => ""), "-"), ...body.map((row) => line(row))].join("");
}
