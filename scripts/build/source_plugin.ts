/**
 * What esbuild has to be told about this project's sources.
 *
 * @module
 */
import type { OnLoadArgs, OnLoadResult, Plugin } from "esbuild";
import { dirname, resolve } from "../../lib/deps/path.ts";
import type { BuildCommand } from "./commands.ts";
import type { Commit } from "./commit.ts";
import { buildVersion, installContents, pluginList } from "./entry.ts";
import { npmPackage } from "./npm_package.ts";

/** What {@link sourcePlugin} needs and collects. */
export interface SourceOptions {
  /** The project's directory. */
  root: string;
  /** Takes the place of what `lib/skel/build_version.ts` says. */
  version: string;
  commit?: Commit;
  /** Goes into `lib/install/contents.ts`, which says nothing without it. */
  client?: Uint8Array;
  /** The plugins that `lib/skel/plugin_list.ts` knows. */
  plugins: readonly BuildCommand[];
  /** The generated entry points' code, by name; they are imported as `entry:NAME`. */
  entries: ReadonlyMap<string, string>;
  /** Entry points of their own that were found: path of the source to name of the output. */
  workers: Map<string, string>;
}

/**
 * - `entry:NAME` is a generated entry point.
 * - `npm:NAME@VERSION/SUBPATH` is found in Deno's cache.
 * - `new URL("./worker.ts", import.meta.url)` names a module that is loaded by its URL, by a Worker
 *   or by `import()`. Bundled, it becomes an entry point of its own, beside all others, and the
 *   URL names that.
 */
export function sourcePlugin(options: SourceOptions): Plugin {
  return {
    name: "sources",
    setup(build) {
      build.onResolve({ filter: /^entry:/ }, ({ path }) => ({ path, namespace: "entry" }));
      build.onLoad({ filter: /^/, namespace: "entry" }, ({ path }) => ({
        contents: options.entries.get(path.slice("entry:".length)),
        resolveDir: options.root,
      }));
      build.onResolve({ filter: /^npm:/ }, async ({ path, kind }) => {
        const { name, directory, subpath } = await npmPackage(path);
        // With a subpath through the package's own "exports"; without, its main module.
        const inside = subpath ? name + subpath : ".";
        return await build.resolve(inside, { kind, resolveDir: directory });
      });
      // Left as it is, the executable would fetch it, or fail, whenever it is started.
      build.onResolve({ filter: /^(https?|jsr):/ }, ({ path }) => ({
        errors: [{ text: `${path} is not in the checkout, and only what is can be compiled` }],
      }));
      build.onLoad({ filter: /\.ts$/ }, (args) => loadSource(args, options));
    },
  };
}

const CODE_LINE = /^(?!\s*(?:\*|\/\/)).*import\.meta\.url.*$/gm;
const MODULE_URL = /new URL\("(\.[^"]+\.ts)", import\.meta\.url\)/g;

async function loadSource({ path }: OnLoadArgs, options: SourceOptions): Promise<OnLoadResult> {
  if (path === `${options.root}/lib/skel/build_version.ts`) {
    return { contents: buildVersion(options.version, options.commit), loader: "ts" };
  }
  if (path === `${options.root}/lib/skel/plugin_list.ts`) {
    return { contents: pluginList(options.plugins), loader: "ts" };
  }
  if (path === `${options.root}/lib/install/contents.ts` && options.client) {
    return { contents: installContents(options.plugins, options.client), loader: "ts" };
  }
  const toWorker = (relative: string) => {
    const worker = resolve(dirname(path), relative);
    const name = worker.slice(options.root.length + 1).replace(/\.ts$/, "").replaceAll("/", "-");
    options.workers.set(worker, name);
    return name;
  };
  return { contents: withOutputUrls(await Deno.readTextFile(path), toWorker), loader: "ts" };
}

/**
 * A source text in which the URLs of modules that are loaded by them are the bundle's.
 * @param toWorker gives the name in the bundle of the module at a relative path
 */
export function withOutputUrls(source: string, toWorker: (relative: string) => string): string {
  const toOutput = (_: string, relative: string) =>
    `new URL("./${toWorker(relative)}.js", import.meta.url)`;
  return source.replace(CODE_LINE, (line) => line.replace(MODULE_URL, toOutput));
}
