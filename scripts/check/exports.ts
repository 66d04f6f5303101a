import { importsOf } from "./imports.ts";
import type { Source } from "./sources.ts";

/** The package that only plugins with options are to load, and the entries that lead to it. */
const ZOD = "lib/deps/zod.ts";
const MAY_LOAD_ZOD = ["mod.ts", "schema.ts"];

const TYPE = /^export (?:abstract )?(?:interface|type|class) (\w+)/gm;

/**
 * Finds entries of the public interface that import zod, if only for a type; exports under another
 * name than their declaration's; and types whose name another type in `lib` has.
 * @param entries the files of `exports` in deno.json
 */
export function findings(files: readonly Source[], entries: readonly string[]): string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const declared = Map.groupBy(
    files.filter(({ path }) => path.startsWith("lib/")).flatMap(({ path, text }) =>
      Array.from(text.matchAll(TYPE), ([, name]) => ({ path, name: name! }))
    ),
    ({ name }) => name,
  );
  return entries.flatMap((entry) => {
    const text = texts.get(entry);
    if (text === undefined) return [`deno.json exports ${entry}, which is not there`];
    const code = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    const renamed = Array.from(
      code.matchAll(/\b(\w+ as \w+)/g),
      ([, as]) => `${entry} exports ${as}: give it that name where it is declared`,
    );
    const words = new Set(code.replace(/"[^"]*"/g, "").match(/\w+/g));
    const shared = [...words].flatMap((name) => {
      const paths = (declared.get(name) ?? []).map(({ path }) => path);
      return paths.length < 2
        ? []
        : [`${entry} exports ${name}, and ${paths.join(" and ")} are two`];
    });
    return [
      ...renamed,
      ...shared,
      ...MAY_LOAD_ZOD.includes(entry) ? [] : wayTo(ZOD, entry, imports),
    ];
  });
}

/** Tells by which imports `entry` comes to import `target`; nothing where it does not. */
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
