/**
 * The configurations that are compared: each value of each option by itself, options together by
 * chance, and what no schema allows.
 *
 * @module
 */
import { fromFileUrl } from "../paths.ts";
import type { Random } from "../faults/random.ts";
import { withValue } from "../with_value.ts";
import { type Subject, VERSIONS } from "./subjects.ts";

/** A plugin's configuration, and what else an ADD is given. */
export interface Configuration {
  readonly cniVersion: string;
  /** All but `cniVersion`, `name` and `type`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly cniArgs: string;
}

/** Values by paths, as in a subject's options. */
type Patch = readonly (readonly [path: string, value: unknown])[];

function patched(subject: Subject, cniVersion: string, patch: Patch): Configuration {
  let options = subject.least;
  let cniArgs = "";
  for (const [path, value] of patch) {
    if (path === "CNI_ARGS") cniArgs = value as string;
    else options = withValue(options, path.split("."), value);
  }
  return { cniVersion, options, cniArgs };
}

/** The least configuration in each version, and with each value of each option in the newest. */
export function enumerated(subject: Subject): Configuration[] {
  const newest = VERSIONS.at(-1)!;
  const options = [...Object.entries(subject.options), ...Object.entries(subject.ours ?? {})];
  return [
    ...VERSIONS.map((version) => patched(subject, version, [])),
    ...options.flatMap(([path, values]) =>
      values.map((value) => patched(subject, newest, [[path, value]]))
    ),
  ];
}

/** Options together, each there or not, in some version. */
export function generated(subject: Subject, random: Random): Configuration {
  // How many there are on average differs, too: few work, and many are refused.
  const oneIn = 2 + random.int(6);
  const patch = Object.entries(subject.options).filter(() => random.int(oneIn) === 0)
    .map(([path, values]) => [path, random.pick(values)] as const);
  // The newest versions are the ones in use.
  const version = random.int(2) === 0 ? VERSIONS.at(-1)! : random.pick(VERSIONS);
  return patched(subject, version, patch);
}

/** A JSON Schema, in so far as a plugin's uses it. */
interface Schema {
  type?: string;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
}

const SCHEMAS = fromFileUrl(new URL("../../../schemas", import.meta.url));

/** Keys that are not a plugin's own. */
const COMMON = ["cniVersion", "name", "type", "capabilities", "prevResult"];

function schemaOf({ plugin }: Subject): Schema {
  const schema: Schema = JSON.parse(Deno.readTextFileSync(`${SCHEMAS}/${plugin}.schema.json`));
  const { ...properties } = schema.properties;
  for (const key of COMMON) delete properties[key];
  // A chained plugin, and one that takes no addresses, reads neither.
  const isIpam = !("dns" in properties) || !("args" in properties);
  return isIpam ? { properties: { ipam: { properties } } } : { properties };
}

/** Every key that a plugin's schema has, with a value's schema: `ipam.ranges.[].[].gateway`. */
function keysOf(schema: Schema, path: readonly string[] = []): [readonly string[], Schema][] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([key, value]) =>
    keysOf(value, [...path, key])
  );
  const items = schema.items ? keysOf(schema.items, [...path, "[]"]) : [];
  const isKey = path.length > 0 && path.at(-1) !== "[]";
  return [...isKey ? [[path, schema] as [readonly string[], Schema]] : [], ...inner, ...items];
}

/** The keys of a plugin's schema that no configuration sets. */
export function untried(subject: Subject): string[] {
  const tried = new Set(
    enumerated(subject).flatMap(({ options }) => pathsOf(options)),
  );
  return keysOf(schemaOf(subject)).map(([path]) => path.join("."))
    .filter((path) => !tried.has(path) && !isShared(subject, path));
}

/** Whether a key is one that the plugin passes over: of IPAM and DNS where it is chained. */
function isShared({ before }: Subject, path: string): boolean {
  return /^(args|runtimeConfig)$/.test(path) || before !== undefined && /^(ipam|dns)\b/.test(path);
}

function pathsOf(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.entries(value).flatMap(([key, one]) =>
    pathsOf(one, `${path}${path ? "." : ""}${Array.isArray(value) ? "[]" : key}`)
  );
  return [path, ...inner];
}

/** Configurations with one key that its schema does not allow. */
export function bad(subject: Subject): Configuration[] {
  return keysOf(schemaOf(subject)).filter(([path]) => !isShared(subject, path.join(".")))
    .flatMap(([path, schema]) =>
      badValues(schema).map((value) =>
        patched(subject, VERSIONS.at(-1)!, [[
          path.map((key) => key === "[]" ? "0" : key).join("."),
          value,
        ]])
      )
    );
}

function badValues({ type, enum: values, minimum, maximum, properties }: Schema): unknown[] {
  if (values) return ["other", 7];
  switch (type) {
    case "integer":
      return [
        "7",
        1.5,
        ...minimum === undefined ? [] : [minimum - 1],
        ...maximum === undefined ? [] : [maximum + 1],
      ];
    case "boolean":
      return ["true", 1];
    case "string":
      return [7, "\u0000", "no such thing"];
    case "array":
      return [{}, "x", [7]];
    default:
      return [7, ...properties ? [[7]] : []];
  }
}
