/**
 * Makes JSON Schemas of lists and of every plugin's configuration, from the schemas that the
 * plugins read their options with and the comments that explain the keys.
 *
 * @module
 */
import type { Plugin } from "../../lib/skel/plugin.ts";
import { isObject, type JsonObject } from "../../lib/types/json.ts";
import { jsonSchemaOf } from "../../lib/types/schema.ts";
import { netConf, networkList } from "../../lib/types/netconf_schema.ts";
import { ROOT } from "../support/root.ts";
import { describe } from "./describe.ts";
import { type DocumentedKeys, documentedKeys } from "./doc_comments.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

/** Folders of plugins that delegate to an IPAM plugin. */
const USES_IPAM = ["main"];

/** The schemas, by file name, and what they lack. */
export interface Schemas {
  files: Record<string, JsonObject>;
  /** Keys without a description, like `bridge.hairpinMode`. */
  undocumented: string[];
  /** The plugins, and whether they have keys of their own. */
  plugins: { name: string; kind: string; hasOptions: boolean }[];
}

interface Source {
  kind: string;
  plugin: Plugin;
  /** What the plugin does, from its line in the overview. */
  summary: string;
  literals: DocumentedKeys[];
}

/** Makes all schemas. */
export async function generateSchemas(): Promise<Schemas> {
  const undocumented: string[] = [];
  // The text for users comes first: other literals explain the same keys to callers.
  const shared = [
    ...literalsOf("lib/types/netconf_schema.ts"),
    ...["lib/types", "lib/ipam", "lib/attach"].flatMap(literalsIn),
  ];
  const sources = await readPlugins();
  const common = propertiesOf(describe(jsonSchemaOf(netConf()), shared, "common", undocumented));
  const files: Record<string, JsonObject> = {};
  for (const { kind, plugin: { name, options }, summary, literals } of sources) {
    const own = options
      ? describe(jsonSchemaOf(await options()), [...literals, ...shared], name, undocumented)
      : {};
    const ipam = isObject(own.properties) && isObject(own.properties.ipam)
      ? own.properties.ipam
      : undefined;
    const type = { const: name, description: summary };
    files[fileOf(name)] = kind === "ipam"
      ? schema(name, `"ipam": ${summary}`, { type, ...propertiesOf(ipam ?? {}) }, ["type"])
      : schema(name, summary, {
        ...common,
        type,
        ...propertiesOf(own),
        ...USES_IPAM.includes(kind)
          ? { ipam: { $ref: fileOf("ipam"), description: "What the IPAM plugin is to do." } }
          : {},
      }, ["type", ...requiredIn(own)]);
  }
  const names = (wanted: (kind: string) => boolean) =>
    sources.filter(({ kind }) => wanted(kind)).map(({ plugin }) => plugin.name);
  files[fileOf("ipam")] = {
    ...schema("ipam", 'What an IPAM plugin is to do: "ipam".', {
      type: { type: "string", examples: names((kind) => kind === "ipam") },
    }, ["type"]),
    allOf: byType(names((kind) => kind === "ipam")),
  };
  const list = describe(jsonSchemaOf(networkList()), shared, "list", undocumented);
  const plugins = names((kind) => kind !== "ipam");
  files[fileOf("conflist")] = schema(
    "network list",
    "A network: plugins that are called in turn.",
    {
      ...propertiesOf(list),
      plugins: {
        ...propertiesOf(list).plugins as JsonObject,
        items: {
          type: "object",
          properties: { ...common, type: { ...common.type as JsonObject, examples: plugins } },
          required: ["type"],
          allOf: byType(plugins),
        },
      },
    },
    ["name"],
  );
  return {
    files,
    undocumented: [...new Set(undocumented)],
    plugins: sources.map(({ kind, plugin: { name, options } }) => ({
      kind,
      name,
      hasOptions: options !== undefined,
    })),
  };
}

function schema(
  title: string,
  description: string,
  properties: JsonObject,
  required: string[],
): JsonObject {
  return { $schema: DRAFT, title, description, type: "object", properties, required };
}

/** Makes conditions: a plugin's schema where `type` is its name. Other types are not checked. */
function byType(names: readonly string[]): JsonObject[] {
  return names.map((name) => ({
    if: { properties: { type: { const: name } }, required: ["type"] },
    then: { $ref: fileOf(name) },
  }));
}

function propertiesOf({ properties = {} }: JsonObject): JsonObject {
  return properties as JsonObject;
}

function requiredIn({ required = [] }: JsonObject): string[] {
  return required as string[];
}

function fileOf(name: string): string {
  return `${name}.schema.json`;
}

async function readPlugins(): Promise<Source[]> {
  const overview = Deno.readTextFileSync(`${ROOT}/plugins/README.md`);
  const found: Source[] = [];
  for (const kind of ["main", "ipam", "meta"]) {
    for (const { name } of Deno.readDirSync(`${ROOT}/plugins/${kind}`)) {
      const folder = `plugins/${kind}/${name}`;
      const { default: plugin } = await import(`file://${ROOT}/${folder}/main.ts`);
      const line = new RegExp(`^- \\[${name}\\]\\(.*?\\): (.*(?:\\n  .*)*)`, "m").exec(overview);
      const summary = line?.[1]?.replace(/\s+/g, " ") ?? "";
      found.push({ kind, plugin, summary, literals: literalsIn(folder) });
    }
  }
  return found.sort((a, b) => a.plugin.name < b.plugin.name ? -1 : 1);
}

function literalsIn(folder: string): DocumentedKeys[] {
  return Array.from(Deno.readDirSync(`${ROOT}/${folder}`), ({ name }) => name)
    .filter((name) => name.endsWith(".ts") && !name.endsWith("_test.ts")).sort()
    .flatMap((name) => literalsOf(`${folder}/${name}`));
}

function literalsOf(path: string): DocumentedKeys[] {
  return documentedKeys(Deno.readTextFileSync(`${ROOT}/${path}`));
}
