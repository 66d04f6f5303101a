import { findCommands, misnamedPlugins } from "../build/commands.ts";
import { isFile } from "../support/files.ts";
import { ROOT } from "../support/root.ts";

/** Finds what plugins lack: a file that each must have, its line in the overview, its own name. */
export async function findings(): Promise<string[]> {
  const misnamed = await misnamedPlugins(findCommands(ROOT));
  return [...misnamed, ...missingParts()];
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
