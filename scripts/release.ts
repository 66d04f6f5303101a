/**
 * `deno task release`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { resolve } from "../lib/deps/path.ts";
import { release } from "./release/release.ts";
import { VARIANTS } from "./release/variants.ts";
import { ROOT } from "./support/root.ts";

const USAGE =
  `Makes the files of a release: an archive for each machine, C library and runtime, with
its bill of materials (SPDX 2.3), the notes of CHANGELOG.md, and SHA256SUMS.

usage: deno task release [OPTION...]

options:
  --out DIR        where to (default: dist/release in the project's directory)
  --only TEXT      only archives with TEXT in their name, such as bun or x86_64
  --partial        end with 0 although archives are missing
  --help           print this

environment:
  SOURCE_DATE_EPOCH  the time of everything in the archives (default: the commit's)
  DENORT_BIN         the base executable for deno compile, instead of downloading it

The same commit makes the same bytes, with the same Deno and Bun. What this machine can run is tried,
arm64 with qemu-aarch64; of the rest, what it needs of a system is looked at.
`;

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  try {
    const { out, only, partial, help } = parseArgs(Deno.args, {
      boolean: ["partial", "help"],
      string: ["out", "only"],
      unknown(argument: string) {
        throw new Error(`unknown: ${argument}; see --help`);
      },
    });
    if (help) {
      console.log(USAGE.trimEnd());
      return 0;
    }
    const variants = VARIANTS.filter(({ name }) =>
      name.includes((only as string | undefined) ?? "")
    );
    if (variants.length === 0) {
      const names = VARIANTS.map(({ name }) => name).join(", ");
      throw new Error(`--only ${only} is in none of ${names}`);
    }
    // `deno task` changes to the project's directory; a relative path is meant from here.
    const from = Deno.env.get("INIT_CWD") ?? Deno.cwd();
    const output = out ? resolve(from, out as string) : `${ROOT}/dist/release`;
    const { missing } = await release({ root: ROOT, output, variants });
    for (const { archive, why } of missing) console.error(`release: no ${archive}: ${why}`);
    return missing.length > 0 && !partial ? 1 : 0;
  } catch (error) {
    console.error(`release: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}
