/**
 * Entry points, generated from the folders that were found.
 *
 * @module
 */
import type { BuildCommand } from "./commands.ts";
import type { Commit } from "./commit.ts";
import type { RuntimeName } from "./targets.ts";

/**
 * Makes the entry point of an executable that is all of `commands`, and loads the one it is called
 * by.
 */
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

/** Makes the entry point of an executable that is one command, whatever name it is called by. */
export function singleEntry(root: string, { kind, entry }: BuildCommand): string {
  return `import { runtime } from ${JSON.stringify(`${root}/lib/runtime/mod.ts`)};
import { runCommand } from ${JSON.stringify(`${root}/lib/skel/run_command.ts`)};
import * as module from ${JSON.stringify(entry)};
await runCommand({ kind: "${kind}", load: () => Promise.resolve(module) }, runtime.args);
`;
}

/** Makes the text that replaces `lib/skel/plugin_list.ts`: an executable has no folders to list. */
export function pluginList(commands: readonly BuildCommand[]): string {
  const rows = commands.filter(({ kind }) => kind === "plugin").map(({ name, entry }) =>
    `  ${JSON.stringify(name)}: { kind: ${JSON.stringify(entry.split("/").at(-3))}, ` +
    `load: () => import(${JSON.stringify(entry)}) },`
  );
  return `const plugins = {\n${rows.join("\n")}\n};\nexport const listPlugins = () => plugins;\n`;
}

/** Makes the text that replaces `lib/runtime/own_runtime.ts`. */
export function ownRuntime(runtime: RuntimeName): string {
  return `export { ${runtime}Runtime as ownRuntime } from "./${runtime}.ts";\n`;
}

/** Makes the text that replaces `lib/skel/build_version.ts`. */
export function buildVersion(version: string, commit: Commit | undefined): string {
  const { id = "", date = "" } = commit ?? {};
  return Object.entries({ VERSION: `v${version}`, COMMIT: id, DATE: date })
    .map(([name, text]) => `export const BUILD_${name} = ${JSON.stringify(text)};\n`).join("");
}

/** Makes the text that replaces `lib/install/contents.ts`. */
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
