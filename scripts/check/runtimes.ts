import type { Source } from "./sources.ts";

/**
 * Finds names of one runtime outside `lib/runtime`: such a file would not work on the other.
 * Comments and texts may mention them.
 */
export function findings(files: readonly Source[]): string[] {
  return files.filter(({ path }) => isProduct(path)).flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, i) => {
      const code = line.replace(/\/\/.*|^\s*\*.*|\/\*.*?\*\/|"[^"]*"|`[^`]*`/g, "");
      const [name] = /\b(?:Deno|Bun|process)\.\w+|\bnode:\w+/.exec(code) ?? [];
      return name ? [`${path}:${i + 1} names ${name}; use lib/runtime`] : [];
    })
  );
}

function isProduct(path: string): boolean {
  if (path.endsWith("_test.ts") || path.startsWith("lib/runtime/")) return false;
  return /^(lib|plugins)\//.test(path) || !path.includes("/");
}
