import { assert } from "@std/assert";
import { findCommands } from "../../scripts/build/commands.ts";
import type { Plugin } from "../../lib/skel/plugin.ts";
import { CniError } from "../../lib/types/error.ts";
import { isObject, type JsonObject, type JsonValue, parseJson } from "../../lib/types/json.ts";
import { jsonSchemaOf } from "../../lib/types/schema.ts";
import { readOptions } from "../../lib/types/options.ts";
import { fromFileUrl } from "../support/paths.ts";

const PLUGINS = findCommands(fromFileUrl(new URL("../..", import.meta.url)))
  .filter(({ kind }) => kind === "plugin");

/** What people, templates and other programs write where something else should be. */
const ODD: readonly JsonValue[] = [
  ...["", " ", "0", "01500", "-0", "+1", "1e3", "0x10", "true ", "null", "\0", "\n", "ä", "%d"],
  ...["../../etc", "10.1.2.3/33", "::1/129", "zz", "a".repeat(10_000), "1".repeat(400)],
  ...[0, -1, 1.5, 1e300, -0, Number.MAX_SAFE_INTEGER, 2n ** 64n, -(2n ** 70n), true, false, null],
  ...[[], [[]], [null], [0], [""], {}, { "": {} }, { a: null }],
  parseJson('{"__proto__": {"x": 1}, "constructor": 1, "toString": null}'),
];

/** Where each option stands. */
function pathsIn(schema: JsonObject, base: string[] = []): string[][] {
  const { properties = {}, items } = schema;
  const inner = Object.entries(properties as JsonObject).flatMap(([key, value]) => {
    const path = [...base, key];
    return [path, ...pathsIn(value as JsonObject, path)];
  });
  const item = isObject(items) ? [[...base, "0"], ...pathsIn(items, [...base, "0"])] : [];
  return [...inner, ...item];
}

function withValue(config: JsonValue, [key, ...rest]: string[], value: JsonValue): JsonValue {
  if (key === undefined) return value;
  if (key === "0") return [withValue({}, rest, value)];
  const inner = isObject(config) ? config : {};
  return { ...inner, [key]: withValue(inner[key] ?? {}, rest, value) };
}

for (const { name, entry } of PLUGINS) {
  Deno.test(`${name}: whatever stands in an option, it is read or refused with code 7`, async () => {
    const { default: plugin } = await import(`file://${entry}`) as { default: Plugin };
    if (!plugin.options) return;
    const schema = await plugin.options();
    for (const path of pathsIn(jsonSchemaOf(schema))) {
      for (const value of ODD) {
        const raw = withValue({}, path, value) as JsonObject;
        try {
          readOptions(schema, raw, name);
        } catch (error) {
          assert(error instanceof CniError && error.code === 7, `${path.join(".")}: ${error}`);
          assert(error.message.includes(`"${path[0]}`), error.message);
        }
      }
    }
  });
}
