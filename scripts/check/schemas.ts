import { generateSchemas } from "../schemas/generate.ts";
import { ROOT } from "../support/root.ts";

const DIRECTORY = `${ROOT}/schemas`;

/**
 * Finds schemas in `schemas/` that differ from those that the plugins have, and undocumented keys.
 */
export async function findings(): Promise<string[]> {
  const { files, undocumented } = await generateSchemas();
  const stale = Object.entries(files)
    .filter(([name, schema]) => readIfPresent(`${DIRECTORY}/${name}`) !== textOf(schema))
    .map(([name]) => `schemas/${name} is stale: deno task schemas`);
  const left = present().filter((name) => !Object.hasOwn(files, name))
    .map((name) => `schemas/${name} is nobody's: deno task schemas`);
  const silent = undocumented.map((key) =>
    `${key} has no comment that explains it where the options are, for its JSON Schema`
  );
  return [...stale, ...left, ...silent];
}

/** Writes the schemas into `schemas/`, and removes those of plugins that are gone. */
export async function writeSchemas(): Promise<void> {
  const { files } = await generateSchemas();
  Deno.mkdirSync(DIRECTORY, { recursive: true });
  for (const name of present()) {
    if (!Object.hasOwn(files, name)) Deno.removeSync(`${DIRECTORY}/${name}`);
  }
  for (const [name, schema] of Object.entries(files)) {
    Deno.writeTextFileSync(`${DIRECTORY}/${name}`, textOf(schema));
  }
}

function textOf(schema: object): string {
  return JSON.stringify(schema, null, 2) + "\n";
}

function present(): string[] {
  try {
    return Array.from(Deno.readDirSync(DIRECTORY), ({ name }) => name)
      .filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}

function readIfPresent(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
