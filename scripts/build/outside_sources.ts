/**
 * A plugin of esbuild for sources that are not this project's.
 *
 * @module
 */
import type {
  Loader,
  OnLoadResult,
  OnResolveArgs,
  OnResolveResult,
  Plugin,
  PluginBuild,
} from "esbuild";
import { dirname, resolve } from "../../lib/deps/path.ts";
import { isFile } from "../support/files.ts";
import { fileUrl, type ModuleGraph } from "./module_graph.ts";
import { withOutputUrls } from "./source_plugin.ts";

/** The sources of a plugin from outside this project. */
export interface OutsideSources {
  /** The absolute path of its entry point: the only module with `import.meta.main`. */
  main: string;
  /** The modules that it imports. */
  graph: ModuleGraph;
}

/** Modules that are not files, by their URL. */
const REMOTE = "remote";

/**
 * Makes the plugin:
 *
 * - What Deno finds is taken from where Deno has it: URLs, `jsr:`, `npm:`, names of an import map.
 * - Anything else is resolved by esbuild: relative paths, packages in `node_modules`.
 * - `import.meta.main` is true in the entry point.
 * - Modules that are loaded by their URL become entry points, in packages too.
 *
 * The library's own sources are left to {@link import("./source_plugin.ts").sourcePlugin}.
 * @param root this project's directory
 * @param workers as in {@link import("./source_plugin.ts").SourceOptions}
 */
export function outsidePlugin(
  sources: OutsideSources,
  root: string,
  workers: Map<string, string>,
): Plugin {
  const { graph } = sources;
  return {
    name: "outside",
    setup(build) {
      build.onResolve({ filter: /^/ }, (args) => resolveOutside(build, graph, args));
      build.onLoad({ filter: /^/, namespace: REMOTE }, async ({ path }) => {
        await graph.add(path); // A Worker's module is started by its URL: no import leads there.
        const { text, loader } = graph.source(path);
        const toWorker = (relative: string) => outputOf(new URL(relative, path).href, workers);
        return { contents: withOutputUrls(text, toWorker), loader };
      });
      build.onLoad(
        { filter: /\.m?[jt]sx?$/ },
        ({ path }) =>
          path.startsWith(`${root}/lib/`) ? undefined : loadFile(path, sources, workers),
      );
    },
  };
}

/** Loads a module that is a file, and adds the Workers that it starts to the entry points. */
async function loadFile(
  path: string,
  { main, graph }: OutsideSources,
  workers: Map<string, string>,
): Promise<OnLoadResult> {
  const isInPackage = !graph.has(fileUrl(path));
  const started = new Set<string>();
  const toWorker = (relative: string) => {
    const worker = resolve(dirname(path), decodeURIComponent(relative));
    // A package may name what only its sources have; what an author forgot is an error.
    if (isInPackage && !isFile(worker)) return undefined;
    started.add(worker);
    return outputOf(worker, workers);
  };
  const text = Deno.readTextFileSync(path);
  const contents = withOutputUrls(
    path === main ? text.replaceAll(/\bimport\.meta\.main\b/g, "true") : text,
    toWorker,
  );
  // No import leads to a Worker's module. What a package's imports is found from its directory.
  for (const worker of isInPackage ? [] : started) await graph.add(fileUrl(worker));
  const [, language, jsx] = /([jt]s)(x?)$/.exec(path)!;
  return { contents, loader: `${language}${jsx}` as Loader };
}

async function resolveOutside(
  build: PluginBuild,
  graph: ModuleGraph,
  { path, importer, namespace, kind }: OnResolveArgs,
): Promise<OnResolveResult | undefined> {
  if (kind === "entry-point") {
    return /^https?:/.test(path) ? { path, namespace: REMOTE } : undefined;
  }
  if (namespace !== "file" && namespace !== REMOTE) return undefined;
  const referrer = namespace === REMOTE ? importer : fileUrl(importer);
  const target = graph.resolve(referrer, path);
  if (target === undefined) return undefined;
  if (target.startsWith("file:")) return { path: decodeURIComponent(new URL(target).pathname) };
  if (!target.startsWith("npm:")) return { path: target, namespace: REMOTE };
  return await build.resolve(target.replace("npm:/", "npm:"), { kind, resolveDir: "/" });
}

/** Makes the name of a Worker's module in the bundle, and notes it as an entry point. */
function outputOf(source: string, workers: Map<string, string>): string {
  const name = source.replace(/^\w+:\/+|^\//, "").replace(/\.\w+$/, "").replaceAll(/[^\w.-]/g, "-");
  workers.set(source, name);
  return name;
}
