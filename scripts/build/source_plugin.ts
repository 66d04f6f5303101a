/**
 * A plugin of esbuild for this project's sources.
 *
 * @module
 */
import type { OnLoadArgs, OnLoadResult, Plugin } from "esbuild";
import { dirname, resolve } from "../../lib/deps/path.ts";
import type { BuildCommand } from "./commands.ts";
import type { Commit } from "./commit.ts";
import { buildVersion, installContents, ownRuntime, pluginList } from "./entry.ts";
import { npmPackage } from "./npm_package.ts";
import type { Sharing } from "./shared.ts";
import type { RuntimeName } from "./targets.ts";

/** What {@link sourcePlugin} needs and collects. */
export interface SourceOptions {
  /** The project's directory. */
  root: string;
  /** Replaces the version in `lib/skel/build_version.ts`. */
  version: string;
  commit?: Commit;
  /**
   * The resident server's client, for `lib/install/contents.ts`, which is left as it is without it.
   */
  client?: Uint8Array;
  /** The runtime whose adapter `lib/runtime/own_runtime.ts` exports; either when absent. */
  runtime?: RuntimeName;
  /** What `lib/install/contents.ts` names. */
  plugins: readonly BuildCommand[];
  /** The plugins that `lib/skel/plugin_list.ts` lists; those of `plugins` when absent. */
  listed?: readonly BuildCommand[];
  /** The generated entry points' code, by name; they are imported as `entry:NAME`. */
  entries: ReadonlyMap<string, string>;
  /** Further entry points that were found: path of the source to name of the output. */
  workers: Map<string, string>;
  /** What is loaded together, once that is known. */
  sharing?: Sharing;
}

/**
 * Makes the plugin:
 *
 * - `entry:NAME` is a generated entry point.
 * - `part:NAME` stands for the modules of a part, which commands share. A module of a part that is
 *   loaded by `import()` is loaded with its part, through a generated module.
 * - `npm:NAME@VERSION/SUBPATH` is found in Deno's cache.
 * - `new URL("./worker.ts", import.meta.url)` names a module that is loaded by its URL, by a Worker
 *   or by `import()`. It becomes an entry point of the bundle, beside all others, and the URL
 *   names its output.
 */
export function sourcePlugin(options: SourceOptions): Plugin {
  return {
    name: "sources",
    setup(build) {
      build.onResolve({ filter: /^entry:/ }, ({ path }) => ({ path, namespace: "entry" }));
      build.onLoad({ filter: /^/, namespace: "entry" }, ({ path }) => ({
        contents: importsOfParts(options, `entry:${path}`) +
          options.entries.get(path.slice("entry:".length)),
        resolveDir: options.root,
      }));
      build.onResolve({ filter: /^part:/ }, ({ path }) => ({ path, namespace: "part" }));
      build.onLoad({ filter: /^/, namespace: "part" }, ({ path }) => ({
        contents: options.sharing!.parts.get(path.slice("part:".length))!
          .map((module) => `import ${JSON.stringify(resolve(options.root, module))};`).join("\n"),
        resolveDir: options.root,
      }));
      build.onResolve({ filter: /^\.+\// }, ({ path, importer, kind }) => {
        const module = resolve(dirname(importer), path).slice(options.root.length + 1);
        const isLater = kind === "dynamic-import" && options.sharing?.isInPart(module);
        return isLater ? { path: module, namespace: "later" } : undefined;
      });
      build.onLoad({ filter: /^/, namespace: "later" }, ({ path }) => ({
        contents: importsOfParts(options, path) +
          `export * from ${JSON.stringify(resolve(options.root, path))};`,
        resolveDir: options.root,
      }));
      build.onResolve({ filter: /^npm:/ }, async ({ path, kind }) => {
        const { name, directory, subpath } = await npmPackage(path);
        // With a subpath through the package's own "exports"; without, its main module.
        const inside = subpath ? name + subpath : ".";
        return await build.resolve(inside, { kind, resolveDir: directory });
      });
      // Otherwise the executable would fetch it, or fail, whenever it is started.
      build.onResolve({ filter: /^(https?|jsr):/ }, ({ path }) => ({
        errors: [{ text: `${path} is not in the checkout, and only what is can be compiled` }],
      }));
      build.onLoad({ filter: /\.ts$/ }, (args) => loadSource(args, options));
    },
  };
}

const CODE_LINE = /^(?!\s*(?:\*|\/\/)).*import\.meta\.url.*$/gm;
// Code that others bundled, in an npm package, has its own way with blanks and quotes.
const MODULE_URL = /new URL\(\s*(["'])(\.[^"']+\.m?[jt]sx?)\1,\s*import\.meta\.url\s*\)/g;

async function loadSource({ path }: OnLoadArgs, options: SourceOptions): Promise<OnLoadResult> {
  if (path === `${options.root}/lib/skel/build_version.ts`) {
    return { contents: buildVersion(options.version, options.commit), loader: "ts" };
  }
  if (path === `${options.root}/lib/runtime/own_runtime.ts` && options.runtime) {
    return { contents: ownRuntime(options.runtime), resolveDir: dirname(path) };
  }
  if (path === `${options.root}/lib/skel/plugin_list.ts`) {
    return { contents: pluginList(options.listed ?? options.plugins), loader: "ts" };
  }
  if (path === `${options.root}/lib/install/contents.ts` && options.client) {
    return { contents: installContents(options.plugins, options.client), loader: "ts" };
  }
  const toWorker = (relative: string) => {
    const worker = resolve(dirname(path), relative);
    const name = worker.slice(options.root.length + 1).replace(/\.\w+$/, "").replaceAll("/", "-");
    options.workers.set(worker, name);
    return name;
  };
  const module = path.slice(options.root.length + 1);
  const imports = options.sharing?.isInPart(module) ? "" : importsOfParts(options, module);
  const contents = imports + withOutputUrls(await Deno.readTextFile(path), toWorker);
  return { contents, loader: "ts" };
}

/** Makes the imports of the parts that an entry point loads, for its first line. */
function importsOfParts({ sharing }: SourceOptions, entry: string): string {
  return (sharing?.loadedBy.get(entry) ?? []).map((part) => `import "part:${part}"; `).join("");
}

/**
 * Replaces the URLs of modules that are loaded by their URL by those of the bundle.
 * @param toWorker gives the name in the bundle of the module at a relative path; undefined leaves
 * the URL as it is
 */
export function withOutputUrls(
  source: string,
  toWorker: (relative: string) => string | undefined,
): string {
  const toOutput = (url: string, _: string, relative: string) => {
    const name = toWorker(relative);
    return name === undefined ? url : `new URL("./${name}.js", import.meta.url)`;
  };
  return source.replace(CODE_LINE, (line) => line.replace(MODULE_URL, toOutput));
}
