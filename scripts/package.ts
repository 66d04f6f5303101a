/**
 * `deno task package`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { buildPackage } from "./build/build_package.ts";
import { ROOT } from "./support/root.ts";

const USAGE = `Makes an npm package of the library: bundled modules and their types, for Bun.

usage: deno task package [--out DIR]

  --out DIR  where to, replacing what is there (default: dist/npm in the project's directory)
  --help     print this

A project takes it with: bun add file:DIR
`;

const { out, help, _: rest } = parseArgs(Deno.args, { string: ["out"], boolean: ["help"] });
if (help) {
  console.log(USAGE.trimEnd());
} else if (rest.length > 0 || out === "") {
  console.error("package: there is --out DIR and nothing else; see --help");
  Deno.exit(2);
} else {
  const directory = resolve(Deno.env.get("INIT_CWD") ?? Deno.cwd(), String(out ?? ""));
  await buildPackage(ROOT, out === undefined ? `${ROOT}/dist/npm` : directory);
}
