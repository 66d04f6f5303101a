import { importsOf } from "./imports.ts";
import type { Source } from "./sources.ts";

/** The package that only plugins with options are to load, and the entries that lead to it. */
const ZOD = "lib/deps/zod.ts";
const MAY_LOAD_ZOD = ["mod.ts", "schema.ts"];

/**
 * Entries of the public interface that lead to zod, be it for a type, and names that are not those
 * of the declarations.
 * @param entries the files of `exports` in deno.json
 */
export function findings(files: readonly Source[], entries: readonly string[]): string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  return entries.flatMap((entry) => {
    const text = texts.get(entry);
    if (text === undefined) return [`deno.json exports ${entry}, which is not there`];
    const code = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    const renamed = Array.from(
      code.matchAll(/\b(\w+ as \w+)/g),
      ([, as]) => `${entry} exports ${as}: give it that name where it is declared`,
    );
    return [
      ...renamed,
      ...MAY_LOAD_ZOD.includes(entry) ? [] : wayTo(ZOD, entry, imports),
    ];
  });
}

/** How `entry` comes to import `target`: a sentence, or nothing. */
function wayTo(
  target: string,
  entry: string,
  imports: ReadonlyMap<string, readonly string[]>,
): string[] {
  const ways = new Map([[entry, entry]]);
  for (const [path, way] of ways) {
    if (path === target) return [`${way}: only those with options are to load it`];
    for (const next of imports.get(path) ?? []) {
      if (!ways.has(next)) ways.set(next, `${way} imports ${next}`);
    }
  }
  return [];
}
