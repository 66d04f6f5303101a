/**
 * What the documentation shows can be copied: its JSON is valid, its configurations are what the
 * plugins take, and its links lead somewhere.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { findingLine } from "../lib/cnitool/validate/finding.ts";
import { validate } from "../lib/cnitool/validate/mod.ts";
import { Cni } from "../lib/libcni/cni.ts";
import { knownPlugin } from "../lib/skel/known_plugins.ts";
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

Deno.test("links in the documentation lead to files that are there", () => {
  const broken = pages().flatMap((page) =>
    linksOf(page).filter((target) => !exists(new URL(target, `file://${ROOT}/${page}`)))
      .map((target) => `${page}: ${target}`)
  );
  assertEquals(broken, []);
});

Deno.test("docs/README.md lists every page of docs", () => {
  const listed = new Set(linksOf("docs/README.md").map((target) => `docs/${target}`));
  assertEquals(
    pages().filter((page) => page.startsWith("docs/") && page !== "docs/README.md")
      .filter((page) => !listed.has(page)),
    [],
  );
});

/** Every Markdown file for users, from the project's directory. */
function pages(): string[] {
  const inside = (directory: string): string[] =>
    Array.from(Deno.readDirSync(`${ROOT}/${directory}`)).flatMap(({ name, isDirectory }) => {
      const path = `${directory}/${name}`;
      return isDirectory ? inside(path) : path.endsWith(".md") ? [path] : [];
    });
  const others = ["README.md", "CONTRIBUTING.md", "plugins/README.md", "schemas/README.md"];
  return [...others, ...inside("docs"), ...inside("examples")].sort();
}

/** @throws {Error} naming the block that is not JSON */
function examplesIn(page: string): Example[] {
  const text = Deno.readTextFileSync(`${ROOT}/${page}`);
  return Array.from(text.matchAll(/^```json\n([^]*?)^```$/gm), (match) => {
    const place = `${page}:${text.slice(0, match.index).split("\n").length}`;
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

/** Where a page's links lead, without those to other hosts and within the page. */
function linksOf(page: string): string[] {
  const text = Deno.readTextFileSync(`${ROOT}/${page}`).replaceAll(/^```[^]*?^```$/gm, "");
  return Array.from(text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g), ([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}

function pluginNames(): string[] {
  return ["main", "ipam", "meta"].flatMap((kind) =>
    Array.from(Deno.readDirSync(`${ROOT}/plugins/${kind}`), ({ name }) => name)
  );
}
