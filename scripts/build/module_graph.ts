import { runDeno } from "./run.ts";

/** The parts of `deno info --json` that are used. */
interface Info {
  roots: string[];
  modules: {
    specifier: string;
    /** The file that it is, or that it was fetched to. */
    local?: string;
    error?: string;
    mediaType?: string;
    dependencies?: { specifier: string; code?: { specifier?: string } }[];
  }[];
  redirects: Record<string, string>;
}

/**
 * The modules that sources outside this project import, as Deno resolves them: by URLs, by the
 * import map or `deno.json` beside them, to packages of npm and JSR. Modules from elsewhere are
 * fetched into Deno's cache.
 */
export class ModuleGraph {
  readonly #directory: string;
  readonly #modules = new Map<string, Info["modules"][number]>();
  readonly #redirects = new Map<string, string>();

  /** @param directory where the sources' own `deno.json` is, if they have one */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Adds a module and all that it imports.
   * @throws {Error} naming what cannot be fetched or resolved
   */
  async add(specifier: string): Promise<void> {
    if (this.#modules.has(specifier)) return;
    const { stdout } = await runDeno(
      ["info", "--json", "--no-lock", "--allow-import", specifier],
      this.#directory,
    );
    const { roots, modules, redirects }: Info = JSON.parse(stdout);
    for (const module of modules) this.#modules.set(module.specifier, module);
    for (const [from, to] of Object.entries(redirects)) this.#redirects.set(from, to);
    const failed = modules.find(({ specifier, error }) => error && roots.includes(specifier));
    if (failed) throw new Error(`${specifier}: ${failed.error}`);
  }

  /** Tells whether a module was added, or is imported by one that was. */
  has(specifier: string): boolean {
    return this.#modules.has(specifier);
  }

  /** Returns the resolved specifier of what a module imports; undefined where Deno knows none. */
  resolve(referrer: string, specifier: string): string | undefined {
    const { dependencies = [] } = this.#modules.get(referrer) ?? {};
    const found = dependencies.find((dependency) => dependency.specifier === specifier);
    const target = found?.code?.specifier;
    return target && (this.#redirects.get(target) ?? target);
  }

  /**
   * Reads the text of a module that is not a file, and tells its language.
   * @throws {Error} when it could not be fetched
   */
  source(specifier: string): { text: string; loader: "ts" | "tsx" | "js" | "jsx" | "json" } {
    const { local, error, mediaType = "" } = this.#modules.get(specifier) ?? {};
    if (local === undefined) throw new Error(`${specifier}: ${error ?? "it was not fetched"}`);
    const loaders = { TSX: "tsx", JavaScript: "js", Mjs: "js", JSX: "jsx", Json: "json" } as const;
    const loader = Object.entries(loaders).find(([type]) => type === mediaType)?.[1] ?? "ts";
    return { text: Deno.readTextFileSync(local), loader };
  }
}

/** Makes the specifier of a module that is a file. */
export function fileUrl(path: string): string {
  return new URL(`file://${path}`).href;
}
