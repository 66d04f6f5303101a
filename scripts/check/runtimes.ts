import type { Source } from "./sources.ts";

/**
 * Mentions of a runtime's own names outside `lib/runtime`: such a file works on one of the two.
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
