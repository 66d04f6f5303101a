/**
 * What the documentation shows can be copied: its JSON is valid, and its configurations are what the
 * plugins take.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { findingLine } from "../lib/cnitool/validate/finding.ts";
import { validate } from "../lib/cnitool/validate/mod.ts";
import { Cni } from "../lib/libcni/cni.ts";
import { knownPlugin } from "../lib/skel/known_plugins.ts";
import { type Page, pages } from "../scripts/check/docs.ts";
import { NoopPlugins } from "./support/noop_plugins.ts";
import { fromFileUrl } from "./support/paths.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

/** Plugins that examples name beside those of `plugins/`. */
const OTHER_PLUGINS = ["link-group"];

/** A block of JSON, and where it is. */
interface Example {
  /** `docs/install.md:12` */
  place: string;
  // deno-lint-ignore no-explicit-any -- JSON
  json: any;
}

Deno.test("JSON in the documentation: networks and plugins are what `cnitool validate` accepts", async () => {
  using plugins = new NoopPlugins(...pluginNames(), ...OTHER_PLUGINS);
  const found: string[] = [];
  let networks = 0;
  for (const { place, json } of pages().flatMap(examplesIn)) {
    const list = await networkOf(json);
    if (!list) continue;
    networks++;
    const file = `${plugins.directory}/example.conflist`;
    Deno.writeTextFileSync(file, JSON.stringify(list, null, 2));
    const path = [plugins.path];
    const { files } = await validate({ directory: "", file }, path, new Cni({ path }));
    found.push(
      ...files.flatMap(({ findings }) => findings.map(findingLine))
        .map((line) => `${place}: ${line.replace(`${file}:`, "")}`),
    );
  }
  assertEquals(found, []);
  assert(networks >= 20, `only ${networks} networks were found in the documentation`);
});

/** @throws {Error} naming the block that is not JSON */
function examplesIn({ path, text }: Page): Example[] {
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
 * The list that an example is, or is a part of: a chained plugin comes behind another one, an
 * "ipam" object is another one's. Undefined for results, errors and the like.
 */
async function networkOf(json: Example["json"]): Promise<object | undefined> {
  if (json.plugins !== undefined) return json;
  const list = (...plugins: object[]) => ({ cniVersion: "1.1.0", name: "example", plugins });
  if (Object.keys(json).join() === "ipam") return list({ type: "ptp", ...json });
  if (typeof json.type !== "string") return undefined;
  const { cniVersion = "1.1.0", name = "example", ...plugin } = json;
  const isMain = (await knownPlugin(json.type))?.kind === "main";
  const before = { type: "ptp", ipam: { type: "host-local", subnet: "10.1.0.0/16" } };
  return { cniVersion, name, plugins: isMain ? [plugin] : [before, plugin] };
}

function pluginNames(): string[] {
  return ["main", "ipam", "meta"].flatMap((kind) =>
    Array.from(Deno.readDirSync(`${ROOT}/plugins/${kind}`), ({ name }) => name)
  );
}
