import { findCommands, misnamedPlugins } from "../build/commands.ts";
import { isFile } from "../support/files.ts";
import { ROOT } from "../support/root.ts";

/**
 * Finds what plugins lack: a file that each must have, its line in the overview, its own name, a
 * `main.ts` that is short.
 */
export async function findings(): Promise<string[]> {
  const misnamed = await misnamedPlugins(findCommands(ROOT));
  return [...misnamed, ...missingParts(), ...longPlugins()];
}

/** A plugin's file has fewer lines: it reads like the plugin's description. */
const MAX_LINES = 150;

function longPlugins(): string[] {
  return findCommands(ROOT).flatMap(({ entry }) => {
    const lines = Deno.readTextFileSync(entry).split("\n").length - 1;
    if (lines < MAX_LINES) return [];
    const path = entry.slice(ROOT.length).replace(/^\//, "");
    return [`${path} has ${lines} lines; move a concept of its own out, under ${MAX_LINES}`];
  });
}

function missingParts(): string[] {
  const security = Deno.readTextFileSync(`${ROOT}/docs/security.md`);
  const overview = Deno.readTextFileSync(`${ROOT}/plugins/README.md`);
  return ["main", "ipam", "meta"].flatMap((kind) =>
    Array.from(Deno.readDirSync(`${ROOT}/plugins/${kind}`)).filter(({ isDirectory }) => isDirectory)
      .flatMap(({ name }) => [
        ...missingFiles(kind, name),
        ...security.includes(`\n| ${name} `)
          ? []
          : [`docs/security.md does not say what ${name} may touch`],
        ...overview.includes(`\n- [${name}](../docs/plugins/${name}.md): `)
          ? []
          : [`plugins/README.md has no line for ${name} that links to its page`],
      ])
  );
}

function missingFiles(kind: string, name: string): string[] {
  return [
    `plugins/${kind}/${name}/main.ts`,
    `plugins/${kind}/${name}/permissions.json`,
    `docs/plugins/${name}.md`,
    `tests/plugins/${name}_test.ts`,
  ].filter((path) => !isFile(`${ROOT}/${path}`)).map((path) => `${path} is missing`);
}
