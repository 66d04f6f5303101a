import type { Bundle } from "./bundle.ts";
import { type Bun, findBun, targetBun } from "./find_bun.ts";
import { run } from "./run.ts";
import { hostTarget, type Target } from "./targets.ts";

/**
 * Keeps an executable made by Bun from reading files of the directory it is started in: a
 * `bunfig.toml` there could name a file to run first, and any user may have written it.
 */
const READ_NOTHING = [
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
];

/** Compiles a bundle with `bun build --compile`. Bun knows no permissions. */
export async function compileWithBun(
  { main, workers }: Bundle,
  output: string,
  target: Target,
): Promise<Bun> {
  const bun = await findBun();
  const base = target === hostTarget() ? [] : [await targetBun(bun.version, target)];
  await run(bun.path, [
    "build",
    "--compile",
    `--target=${target.bun}`,
    ...base.map((path) => `--compile-executable-path=${path}`),
    ...READ_NOTHING,
    "--minify",
    "--bytecode",
    // Modules as such, in chunks: the entry point awaits, and Workers share code with it.
    "--format=esm",
    "--splitting",
    // A process that lives for milliseconds gains nothing from compiling its functions to machine
    // code early; waiting a hundred times as long takes 2 of 10 ms off a plugin's start.
    "--compile-jit-policy=100",
    `--outfile=${output}`,
    main,
    ...workers,
  ], { cwd: main.slice(0, main.lastIndexOf("/")), env: { BUN_OPTIONS: "", NO_COLOR: "1" } });
  return bun;
}
