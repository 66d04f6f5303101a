/**
 * Makes an npm package of the library, for authors who use Bun.
 *
 * @module
 */
import { dirname } from "../../lib/deps/path.ts";
import { publicEntries } from "../support/public_entries.ts";
import { bundle, stopBundler } from "./bundle.ts";
import { declarations } from "./declarations.ts";
import { Progress, size } from "./progress.ts";

/** What goes along as it is. */
const DOCUMENTS = ["README.md", "LICENSE", "CHANGELOG.md"];

/**
 * Writes the package's directory anew.
 * @param root the project's directory
 * @param output absolute; whatever is in it is replaced
 */
export async function buildPackage(root: string, output: string): Promise<void> {
  const { name, version } = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`));
  const entries = publicEntries().map((path) => path.replace(/\.ts$/, ""));
  const parts = entries.filter((entry) => entry !== "mod"); // that is the package's main module
  const code = (entry: string) => `export * from ${JSON.stringify(`${root}/${entry}.ts`)};`;
  const progress = new Progress();
  Deno.removeSync(prepared(output), { recursive: true });
  try {
    await progress.step("bundle", name, () =>
      bundle({
        root,
        version,
        plugins: [],
        entry: code("mod"),
        library: Object.fromEntries(parts.map((entry) => [entry, code(entry)])),
        directory: output,
      }), ({ metafile: { outputs } }) => {
      const total = Object.values(outputs).reduce((sum, { bytes }) => sum + bytes, 0);
      return `${entries.join(", ")}: ${size(total)}`;
    });
  } finally {
    await stopBundler();
  }
  const sources = entries.map((entry) => `${entry}.ts`);
  const types = await progress.step(
    "types",
    name,
    () => declarations(root, sources),
    ({ size }) => `${size} files`,
  );
  for (const [path, text] of types) {
    Deno.mkdirSync(dirname(`${output}/types/${path}`), { recursive: true });
    Deno.writeTextFileSync(`${output}/types/${path}`, text);
  }
  for (const path of DOCUMENTS) Deno.copyFileSync(`${root}/${path}`, `${output}/${path}`);
  const manifest = manifestOf(name, version, entries);
  Deno.writeTextFileSync(`${output}/package.json`, JSON.stringify(manifest, null, 2) + "\n");
  progress.note(output);
}

/** A directory that is there, with whatever. */
function prepared(directory: string): string {
  Deno.mkdirSync(directory, { recursive: true });
  return directory;
}

function manifestOf(name: string, version: string, entries: readonly string[]): object {
  const exports = entries.map((entry) => {
    const [path, module] = entry === "mod" ? [".", "main"] : [`./${entry}`, entry];
    return [path, { types: `./types/${entry}.d.ts`, default: `./${module}.js` }];
  });
  return {
    name,
    version,
    description: "The Container Network Interface: plugins, libcni, netlink, network namespaces",
    license: "Apache-2.0",
    type: "module",
    os: ["linux"],
    engines: { bun: ">=1.4.5" },
    sideEffects: false,
    exports: Object.fromEntries(exports),
  };
}
