import type { Source } from "./sources.ts";

/**
 * `import … from "./a.ts"` and `export …`; `import "./a.ts"`; `import("./a.ts")`; a Worker's URL, by
 * `new URL` or `import.meta.resolve`. What is between braces may have comments.
 */
const PATTERNS = [
  /\b(?:import|export)\b(?:\{[^}]*\}|[^;'"`{}])*?\bfrom\s*["'](\.[^"']+)["']/g,
  /\bimport\s*\(?\s*["'`](\.[^"'`$]+)["'`]/g,
  /\bnew URL\(\s*["'`](\.[^"'`$]+\.ts)["'`]\s*,\s*import\.meta\.url\b/g,
  /\bimport\.meta\.resolve\(\s*["'`](\.[^"'`$]+\.ts)["'`]/g,
];

/** Lists the project's own files that a file imports, as paths from the project's directory. */
export function importsOf({ path, text }: Source): string[] {
  const code = text.replace(/^\s*(?:\/\*[^]*?\*\/|\/\/.*$)/gm, ""); // comments have examples
  const found = PATTERNS.flatMap((pattern) => Array.from(code.matchAll(pattern), ([, to]) => to!));
  return found.map((to) => new URL(to, `file:///${path}`).pathname.slice(1));
}
