/**
 * Builds a plugin from outside this project: bundled, so that its executable starts as fast as ours.
 *
 * @module
 */
import { basename, dirname } from "../../lib/deps/path.ts";
import { isFile } from "../support/files.ts";
import { bundle, stopBundler } from "./bundle.ts";
import { compile } from "./compile.ts";
import { install } from "./install.ts";
import { fileUrl, ModuleGraph } from "./module_graph.ts";
import { permissionFlags } from "./permissions.ts";
import { Progress, size } from "./progress.ts";
import { withStaging } from "./staging.ts";
import type { RuntimeName, Target } from "./targets.ts";

/** What to build, and where. */
export interface OutsideBuildOptions {
  /** This project's directory, absolute. */
  root: string;
  /** The plugin's entry point, or the directory in which that is `main.ts`; absolute. */
  plugin: string;
  /** The executable goes into `bin` there; absolute. */
  output: string;
  runtime: RuntimeName;
  target: Target;
}

/**
 * Builds. Returns the executable's path, `OUTPUT/bin/NAME`, with the name that the plugin has.
 * @throws {Error} when there is no such file, or it does not run a plugin
 */
export async function buildOutside(options: OutsideBuildOptions): Promise<string> {
  const { root, output, runtime, target } = options;
  const main = isFile(options.plugin) ? options.plugin : `${options.plugin}/main.ts`;
  if (!isFile(main)) throw new Error(`there is no plugin ${main}`);
  const permissionsFile = `${dirname(main)}/permissions.json`;
  const permissions = isFile(permissionsFile) ? permissionFlags(permissionsFile) : ["--allow-all"];
  const { version } = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`));
  const progress = new Progress();
  const graph = new ModuleGraph(dirname(main));
  try {
    return await withStaging(output, async (staging) => {
      const bundled = await progress.step("bundle", main, async () => {
        await graph.add(fileUrl(main));
        return await bundle({
          root,
          version,
          runtime,
          plugins: [],
          entry: `import ${JSON.stringify(main)};`,
          directory: `${staging}/modules`,
          outside: { main, graph },
        });
      }, ({ metafile }) => {
        const modules = Object.values(metafile.outputs);
        const total = size(modules.reduce((sum, { bytes }) => sum + bytes, 0));
        return `${main}: ${total} in ${modules.length} modules`;
      });
      const path = `${staging}/plugin`;
      const about = { path, name: "plugin", says: " plugin ", runtime, target };
      const deno = { permissions, resident: false };
      const said = await compile(bundled, { ...about, deno, progress });
      const [, name = basename(dirname(main))] = /^CNI (\S+) plugin /.exec(said ?? "") ?? [];
      const executable = `${output}/bin/${name}`;
      Deno.mkdirSync(`${output}/bin`, { recursive: true });
      install(path, executable);
      progress.note(executable);
      return executable;
    });
  } finally {
    await stopBundler();
  }
}
