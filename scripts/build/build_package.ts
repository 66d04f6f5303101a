/**
 * Makes an npm package of the library, for authors who use Bun.
 *
 * @module
 */
import { dirname } from "../../lib/deps/path.ts";
import { bundle, stopBundler } from "./bundle.ts";
import { declarations } from "./declarations.ts";
import { Progress, size } from "./progress.ts";

/** Files that the package has as they are. */
const DOCUMENTS = ["README.md", "LICENSE", "CHANGELOG.md"];

/**
 * Writes the package's directory.
 * @param root the project's directory
 * @param output absolute; whatever is in it is replaced
 */
export async function buildPackage(root: string, output: string): Promise<void> {
  const { name, version, exports } = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`));
  const entries = entriesOf(exports);
  const code = ({ source }: Entry) => {
    const what = source.startsWith("plugins/") ? "{ default }" : "*";
    return `export ${what} from ${JSON.stringify(`${root}/${source}`)};`;
  };
  const [main, ...parts] = entries;
  const progress = new Progress();
  Deno.removeSync(prepared(output), { recursive: true });
  try {
    await progress.step("bundle", name, () =>
      bundle({
        root,
        version,
        plugins: [],
        entry: code(main!),
        library: Object.fromEntries(parts.map((part) => [part.module, code(part)])),
        directory: output,
      }), ({ metafile: { outputs } }) => {
      const total = Object.values(outputs).reduce((sum, { bytes }) => sum + bytes, 0);
      return `${name}: ${size(total)}, ${entries.length} modules to import`;
    });
  } finally {
    await stopBundler();
  }
  const sources = entries.map(({ source }) => source);
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

/** A module of the package that can be imported. */
interface Entry {
  /** What follows the package's name: `.`, `./plugin`. */
  path: string;
  /** The bundled module's name. */
  module: string;
  /** Its source, from the project's directory. */
  source: string;
}

/** Lists the entries, the main module first; without cnitool, which is no module to import. */
function entriesOf(exports: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(exports).filter(([path]) => path !== "./cnitool").map(([path, source]) => ({
    path,
    module: path === "." ? "main" : path.slice("./".length).replaceAll("/", "-"),
    source: source.slice("./".length),
  }));
}

/** Makes a directory where there is none, and returns its path. */
function prepared(directory: string): string {
  Deno.mkdirSync(directory, { recursive: true });
  return directory;
}

function manifestOf(name: string, version: string, entries: readonly Entry[]): object {
  const exports = entries.map(({ path, module, source }) => [
    path,
    { types: `./types/${source.replace(/\.ts$/, ".d.ts")}`, default: `./${module}.js` },
  ]);
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
