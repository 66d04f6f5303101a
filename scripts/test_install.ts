/**
 * `deno task test:install`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { ROOT } from "./support/root.ts";

const USAGE =
  `Tests what takes long of installing and releasing: installations that are killed, the image,
and the files of a release.

usage: deno task test:install [OPTION…]

  --all          installations are killed at each step, not at one in eight
  --filter TEXT  only tests with TEXT in their name
  --help         this text
`;

const args = parseArgs(Deno.args, {
  boolean: ["all", "help"],
  string: ["filter"],
  unknown(argument: string) {
    console.error(`unknown argument ${argument}; --help lists what there is`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(USAGE.trimEnd());
  Deno.exit(0);
}
const files = ["killed", "image", "release"].map((name) => `${ROOT}/tests/install/${name}.ts`);
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "--allow-all", `${ROOT}/scripts/run_tests.ts`, ...files],
    ...args.filter ? ["--filter", String(args.filter)] : [],
  ],
  env: args.all ? { CNI_TEST_ALL: "1" } : {},
}).spawn().status;
Deno.exit(code);
