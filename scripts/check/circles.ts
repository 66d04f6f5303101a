import { importsOf } from "./imports.ts";
import type { Source } from "./sources.ts";

/**
 * Finds circular imports, indirect ones and imports of types included: one path for each circle.
 */
export function findings(files: readonly Source[]): string[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) {
      const circle = way.slice(start);
      found.push(
        circle.length === 1
          ? `${path} imports itself`
          : `${[...circle, path].join(" imports ")}: a circle`,
      );
    }
    if (start >= 0 || done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return found;
}
