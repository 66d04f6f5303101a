import * as esbuild from "esbuild";
import type { BuildCommand } from "./commands.ts";
import type { Commit } from "./commit.ts";
import { outsidePlugin, type OutsideSources } from "./outside_sources.ts";
import { shareModules, type Sharing } from "./shared.ts";
import { sourcePlugin } from "./source_plugin.ts";
import type { RuntimeName } from "./targets.ts";

/** What to bundle. */
export interface BundleOptions {
  /** The project's directory. */
  root: string;
  /** The version that the executables report. */
  version: string;
  /** The commit that they report; none when absent. */
  commit?: Commit;
  /** The resident server's client, for executables that install themselves. */
  client?: Uint8Array;
  /** What the bundle runs on; either when absent. */
  runtime?: RuntimeName;
  /** Whether it is mostly the resident server, and a plugin only where that does not run. */
  resident?: boolean;
  /** The plugins and tools that the executable is; see `lib/install/contents.ts`. */
  plugins: readonly BuildCommand[];
  /** The plugins that `lib/skel/plugin_list.ts` lists; those of `plugins` when absent. */
  listed?: readonly BuildCommand[];
  /** Code of the entry point; see `entry.ts`. */
  entry: string;
  /** Where the modules go: a directory of their own. */
  directory: string;
  /**
   * Code of further entry points, by name: those of a library, which is not minified: whoever
   * imports it may do that.
   */
  library?: Readonly<Record<string, string>>;
  /** The plugin that is bundled, where it is not this project's. */
  outside?: OutsideSources;
}

/** A bundle on disk. */
export interface Bundle {
  /** Path of the module to start with. */
  main: string;
  /** Paths of the modules that are loaded by their URL: Workers and what they import. */
  workers: string[];
  /** esbuild's description of inputs and outputs. */
  metafile: esbuild.Metafile;
}

/**
 * Bundles an entry point with everything it uses: a small module to start with, one for each
 * command, which is loaded only when it is called, and a few parts with what commands share.
 */
export async function bundle(options: BundleOptions): Promise<Bundle> {
  const { root, directory, runtime, resident } = options;
  const entries = new Map([["main", options.entry], ...Object.entries(options.library ?? {})]);
  const workers = new Map<string, string>();
  let sharing: Sharing | undefined;
  for (;;) {
    const known = [...workers];
    const plugin = sourcePlugin({ ...options, entries, workers, sharing });
    const { metafile, outputFiles } = await esbuild.build({
      entryPoints: [
        ...[...entries.keys()].map((name) => ({ in: `entry:${name}`, out: name })),
        ...known.map(([path, name]) => ({ in: path, out: name })),
      ],
      plugins: [...options.outside ? [outsidePlugin(options.outside, root, workers)] : [], plugin],
      absWorkingDir: root,
      outdir: directory,
      bundle: true,
      splitting: true,
      minify: !options.library,
      format: "esm",
      charset: "ascii",
      legalComments: "none",
      target: "esnext",
      // V8 leaves its compiled code for each step of a `using`: a server does 5 % fewer ADDs a second than
      // with try and finally. A plugin's start, which gains nothing, would have more to read.
      supported: { using: !(resident && runtime === "deno") },
      // Fields are set in the constructor: in a function of their own they would be compiled apart.
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
      platform: "neutral",
      mainFields: ["module", "main"],
      // The generated entry point starts the command; an entry of a bundle is not "main" to itself.
      define: { "import.meta.main": "false" },
      metafile: true,
      write: false,
      logLevel: "silent",
    });
    // Workers that were found may in turn start others.
    if (workers.size > known.length) continue;
    // Which modules several commands load is known now.
    if (!sharing) {
      sharing = shareModules(metafile);
      continue;
    }
    Deno.mkdirSync(directory, { recursive: true });
    for (const { path, text } of withoutUnusedHelpers(metafile, outputFiles)) {
      Deno.writeTextFileSync(path, text);
      // deno compile puts the time into the executable, and the same sources are to make the same.
      Deno.utimeSync(path, 0, 0);
    }
    const output = (name: string) => `${directory}/${name}.js`;
    return { main: output("main"), workers: known.map(([, name]) => output(name)), metafile };
  }
}

/**
 * Removes the imports of the bundler's helpers, which are for packages that are CommonJS, from files
 * that import them and use nothing of them: the bundler has every file load them.
 * @returns the texts of the files
 */
function withoutUnusedHelpers(
  { outputs }: esbuild.Metafile,
  files: readonly esbuild.OutputFile[],
): { path: string; text: string }[] {
  const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const [helpers] =
    Object.entries(outputs).find(([, { inputs, imports, entryPoint }]) =>
      entryPoint === undefined && imports.length === 0 && Object.keys(inputs).length === 0
    ) ?? [];
  if (helpers === undefined) return [...files];
  const unused = new RegExp(`import ?"\\./${nameOf(helpers).replaceAll(".", "\\.")}";\n?`);
  const outputOf = new Map(Object.entries(outputs).map(([path, each]) => [nameOf(path), each]));
  return files.map(({ path, text }) => {
    if (!unused.test(text)) return { path, text };
    const output = outputOf.get(nameOf(path))!;
    output.imports = output.imports.filter((each) => each.path !== helpers);
    return { path, text: text.replace(unused, "") };
  });
}

/** Ends the bundler's process, which would keep this one alive. */
export async function stopBundler(): Promise<void> {
  await esbuild.stop();
}
