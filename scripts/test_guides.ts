/**
 * `deno task test:guides`: see {@link USAGE}.
 *
 * @module
 */
import { build } from "./build/build.ts";
import { hostTarget } from "./build/targets.ts";
import { runLongTests } from "./support/long_tests.ts";
import { ROOT } from "./support/root.ts";

const USAGE = `Follows the guides: types the commands of their shell blocks one after the other, on
a host of each page's own, and compares what they print with what is shown.

usage: deno task test:guides [OPTION…]

  --all          those that take long, too
  --bin DIR      the executables in DIR (default: built with Bun first)
  --filter TEXT  only pages with TEXT in their path
  --help         this text

What cannot be run in a sandbox is marked in the page, and listed with the reason.
`;

await runLongTests({
  usage: USAGE,
  files: ["guides/pages", "guides/networks"],
  options: ["bin", "filter"],
  async env(): Promise<Record<string, string>> {
    const given = Deno.args.some((arg) => arg.startsWith("--bin"));
    return given ? {} : { CNI_TEST_BIN: await buildAll() };
  },
});

async function buildAll(): Promise<string> {
  return await build({
    root: ROOT,
    output: `${ROOT}/dist/guides`,
    names: [],
    runtime: "bun",
    separate: false,
    resident: false,
    target: hostTarget(),
  });
}
