import ts from "npm:typescript@5.9.3";
import { dirname, join } from "../../lib/deps/path.ts";
import { npmPackage } from "./npm_package.ts";

/** `from "./a.ts"`, `import("./a.ts")` */
const RELATIVE = /(\bfrom\s+|\bimport\()"(\.[^"]+)\.ts"/g;
const NPM = /["'](npm:[^"']+)["']/g;

/**
 * Makes the `.d.ts` files of modules, and of all modules that those name: path from the project's
 * directory to text.
 *
 * @param root the project's directory
 * @param entries paths from there
 */
export async function declarations(
  root: string,
  entries: readonly string[],
): Promise<Map<string, string>> {
  const all = await emit(root, entries);
  const reached = new Map<string, string>();
  const left = [...entries];
  for (const path of left) {
    const output = path.replace(/\.ts$/, ".d.ts");
    if (reached.has(output)) continue;
    const text = all.get(output);
    if (text === undefined) throw new Error(`the types of ${path} were not made`);
    reached.set(
      output,
      text.replaceAll(RELATIVE, (_, from, specifier) => {
        left.push(join(dirname(path), `${specifier}.ts`));
        return `${from}"${specifier}.js"`;
      }),
    );
  }
  return reached;
}

/** Makes the declarations of every module that is imported, whether or not a type names it. */
async function emit(root: string, entries: readonly string[]): Promise<Map<string, string>> {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    noCheck: true, // `deno check` does that
    strict: true,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: [],
    rootDir: root,
    outDir: root,
  };
  const host = ts.createCompilerHost(options);
  const packages = await packagesIn(root);
  host.resolveModuleNameLiterals = (literals, importer, redirected) =>
    literals.map(({ text }) => {
      const path = packages.get(text) ?? text;
      return ts.resolveModuleName(path, importer, options, host, undefined, redirected);
    });
  const program = ts.createProgram(entries.map((path) => `${root}/${path}`), options, host);
  const made = new Map<string, string>();
  program.emit(undefined, (path, text) => made.set(path.slice(root.length + 1), text));
  return made;
}

/** Finds the directories of the packages that `lib/deps` names, by their specifiers. */
async function packagesIn(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { name } of Deno.readDirSync(`${root}/lib/deps`)) {
    for (const [, specifier] of Deno.readTextFileSync(`${root}/lib/deps/${name}`).matchAll(NPM)) {
      const { directory, subpath } = await npmPackage(specifier!);
      found.set(specifier!, directory + subpath);
    }
  }
  return found;
}
