/**
 * Entry points, generated from the folders that were found.
 *
 * @module
 */
import type { BuildCommand } from "./commands.ts";
import type { Commit } from "./commit.ts";
import type { RuntimeName } from "./targets.ts";

/** Of the executable that is all of `commands`, and loads the one it is called by. */
export function multicallEntry(root: string, commands: readonly BuildCommand[]): string {
  const rows = commands.map(({ name, kind, entry }) =>
    `  ${JSON.stringify(name)}: { kind: "${kind}", load: () => import(${JSON.stringify(entry)}) },`
  );
  return `import { runMulticall } from ${JSON.stringify(`${root}/lib/skel/multicall.ts`)};
await runMulticall({
${rows.join("\n")}
});
`;
}

/** Of an executable that is one command, whatever name it is called by. */
export function singleEntry(root: string, { kind, entry }: BuildCommand): string {
  return `import { runtime } from ${JSON.stringify(`${root}/lib/runtime/mod.ts`)};
import { runCommand } from ${JSON.stringify(`${root}/lib/skel/run_command.ts`)};
import * as module from ${JSON.stringify(entry)};
await runCommand({ kind: "${kind}", load: () => Promise.resolve(module) }, runtime.args);
`;
}

/** What takes the place of `lib/skel/plugin_list.ts`, where no folders can be looked into. */
export function pluginList(commands: readonly BuildCommand[]): string {
  const rows = commands.filter(({ kind }) => kind === "plugin").map(({ name, entry }) =>
    `  ${JSON.stringify(name)}: { kind: ${JSON.stringify(entry.split("/").at(-3))}, ` +
    `load: () => import(${JSON.stringify(entry)}) },`
  );
  return `const plugins = {\n${rows.join("\n")}\n};\nexport const listPlugins = () => plugins;\n`;
}

/** What takes the place of `lib/runtime/own_runtime.ts`. */
export function ownRuntime(runtime: RuntimeName): string {
  return `export { ${runtime}Runtime as ownRuntime } from "./${runtime}.ts";\n`;
}

/** What takes the place of `lib/skel/build_version.ts`. */
export function buildVersion(version: string, commit: Commit | undefined): string {
  const { id = "", date = "" } = commit ?? {};
  return Object.entries({ VERSION: `v${version}`, COMMIT: id, DATE: date })
    .map(([name, text]) => `export const BUILD_${name} = ${JSON.stringify(text)};\n`).join("");
}

/** What takes the place of `lib/install/contents.ts`. */
export function installContents(commands: readonly BuildCommand[], client: Uint8Array): string {
  const named = (kind: BuildCommand["kind"]) =>
    commands.filter((command) => command.kind === kind).map(({ name }) => name);
  return `const own = ${
    JSON.stringify({
      plugins: named("plugin"),
      tools: named("tool"),
      client: btoa(String.fromCharCode(...client)),
    })
  };\nexport const contents = () => own;\n`;
}
