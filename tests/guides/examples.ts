import { knownPlugin } from "../../lib/skel/known_plugins.ts";
import type { Page } from "../../scripts/check/docs.ts";

/** A block of JSON, and where it is. */
export interface Example {
  /** `docs/install.md:12` */
  place: string;
  // deno-lint-ignore no-explicit-any -- JSON
  json: any;
}

/** A network list. */
export interface Network {
  cniVersion: string;
  name: string;
  // deno-lint-ignore no-explicit-any -- JSON
  plugins: any[];
}

/** Finds the JSON of a page. @throws {Error} naming the block that is not JSON */
export function examplesIn({ path, text }: Page): Example[] {
  return Array.from(text.matchAll(/^```json\n([^]*?)^```$/gm), (match) => {
    const place = `${path}:${text.slice(0, match.index).split("\n").length}`;
    try {
      return { place, json: JSON.parse(match[1]!) };
    } catch (error) {
      throw new Error(`${place} is not JSON: ${(error as Error).message}`);
    }
  });
}

/**
 * Makes the list that an example is, or is a part of: a chained plugin comes behind another one, an
 * "ipam" object is another one's. Undefined for results, errors and the like.
 */
export async function networkOf(
  json: Example["json"],
): Promise<Network | undefined> {
  if (json.plugins !== undefined) return json;
  const list = (...plugins: object[]): Network => ({
    cniVersion: "1.1.0",
    name: "example",
    plugins,
  });
  if (json.ipam?.type === "dhcp") return list({ type: "macvlan", master: "eth0", ...json });
  if (Object.keys(json).join() === "ipam") return list({ type: "bridge", ...json });
  if (typeof json.type !== "string") return undefined;
  const { cniVersion = "1.1.0", name = "example", ...plugin } = json;
  const isMain = (await knownPlugin(json.type))?.kind === "main";
  const before = { type: "ptp", ipam: { type: "host-local", subnet: "10.1.0.0/16" } };
  return { cniVersion, name, plugins: isMain ? [plugin] : [before, plugin] };
}
