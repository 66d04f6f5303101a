import { isObject, type JsonObject } from "../../lib/types/json.ts";
import type { DocumentedKeys } from "./doc_comments.ts";

/** Keys that CNI's conventions give one meaning everywhere: CONVENTIONS.md of the specification. */
const CONVENTIONS: Readonly<Record<string, string>> = {
  args: "Arguments by the conventions; those for plugins of this field under `cni`.",
  cni: "Arguments for plugins of this field.",
  runtimeConfig: "Values for the capabilities; from the runtime.",
  ipam: "Configuration of the IPAM plugin.",
  mac: "MAC address of the container's interface.",
  ips: "Addresses for the container.",
  ipRanges: "Sets of ranges to give addresses of, as in the IPAM plugin's `ranges`.",
  bandwidth: "Limits on the container's traffic.",
  deviceID: "The device: its PCI address, or the name of an auxiliary device.",
};

/**
 * Adds to a JSON Schema the description of each property. It is taken from the object literal in
 * the sources whose keys are all among the schema's properties; of several, from the one with most
 * keys.
 *
 * @param missing gets the path of every property without a description
 */
export function describe(
  schema: JsonObject,
  sources: readonly DocumentedKeys[],
  path: string,
  missing: string[],
): JsonObject {
  const described = { ...schema };
  if (isObject(schema.items)) {
    described.items = describe(schema.items, sources, `${path}[]`, missing);
  }
  if (!isObject(schema.properties)) return described;
  const names = new Set(Object.keys(schema.properties));
  const literals = sources.filter((keys) => names.isSupersetOf(keys))
    .toSorted((a, b) => b.size - a.size);
  described.properties = Object.fromEntries(
    Object.entries(schema.properties).map(([name, value]) => {
      const inner = `${path}.${name}`;
      const property = describe(value as JsonObject, sources, inner, missing);
      const said = literals.find((keys) => keys.get(name))?.get(name) ?? CONVENTIONS[name];
      if (said === undefined) missing.push(inner);
      const description = [said, property.description].filter(Boolean).join(" ");
      return [name, { ...property, ...description ? { description } : {} }];
    }),
  );
  return described;
}
