import { ROOT } from "../support/root.ts";

const INDEX = "docs/README.md";

/** A Markdown file for users. */
export interface Page {
  /** From the project's directory. */
  path: string;
  text: string;
}

/** Lists every page: those of docs and examples, and the others that lead to them. */
export function pages(): Page[] {
  const inside = (directory: string): string[] =>
    Array.from(Deno.readDirSync(`${ROOT}/${directory}`)).flatMap(({ name, isDirectory }) => {
      const path = `${directory}/${name}`;
      return isDirectory ? inside(path) : path.endsWith(".md") ? [path] : [];
    });
  const others = [
    "README.md",
    "CONTRIBUTING.md",
    "plugins/README.md",
    "schemas/README.md",
    "tests/README.md",
  ];
  return [...others, ...inside("docs"), ...inside("examples")].sort()
    .map((path) => ({ path, text: Deno.readTextFileSync(`${ROOT}/${path}`) }));
}

/** Finds links that lead to no file, and pages of docs that its index does not list. */
export function findings(pages: readonly Page[], exists = isThere): string[] {
  const broken = pages.flatMap((page) =>
    linksOf(page).filter((target) => !exists(target))
      .map((target) => `${page.path} has a link to ${target}, which is not there`)
  );
  const listed = pages.filter(({ path }) => path === INDEX).flatMap(linksOf);
  const unlisted = pages.map(({ path }) => path)
    .filter((path) => path.startsWith("docs/") && path !== INDEX && !listed.includes(path))
    .map((path) => `${INDEX} does not list ${path}`);
  return [...broken, ...unlisted];
}

/** Lists the targets of a page's links, from the project's directory, without other hosts'. */
function linksOf({ path, text }: Page): string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, "");
  return Array.from(prose.matchAll(/\]\(([^)\s#]+)[^)]*\)/g), ([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => new URL(target, `file:///${path}`).pathname.slice(1));
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(`${ROOT}/${path}`);
    return true;
  } catch {
    return false;
  }
}
