/**
 * Runs the tests, and says at the end what this machine could not run and what would change that.
 *
 *     deno task test [--unit | --integration] [--bin DIR] [FILE…]
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { reexecIsolated } from "./support/isolate.ts";
import { bold, dim, green, red, yellow } from "./support/style.ts";

const HELP = `Runs the tests.

usage: deno task test [OPTION…] [FILE…]

  --unit         only tests beside the sources; they need nothing
  --integration  only tests under tests/, against the real kernel
  --bin DIR      test the executables in DIR instead of the sources
  --help         this text

As root, each kernel test makes network and mount namespaces of its own. As an ordinary user the
whole run happens in a user namespace, where the system allows that.
`;

const args = parseArgs(Deno.args, {
  boolean: ["unit", "integration", "help"],
  string: ["bin"],
  unknown(arg: string) {
    if (!arg.startsWith("-")) return true;
    console.error(`unknown option ${arg}; --help lists what there is`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(HELP.trimEnd());
  Deno.exit(0);
}
Deno.exit(await main());

async function main(): Promise<number> {
  const isolated = await reexecIsolated({ network: false });
  if (isolated !== undefined) return isolated;
  const files = args._.map(String);
  if (files.length === 0) {
    if (!args.integration) files.push("lib/", "plugins/", "cnitool_test.ts", "scripts/");
    if (!args.unit) files.push("tests/");
  }
  const skips = Deno.makeTempFileSync({ prefix: "cni-test-skips-" });
  try {
    const env: Record<string, string> = { CNI_TEST_SKIPS: skips };
    if (args.bin) env.CNI_TEST_BIN = Deno.realPathSync(String(args.bin));
    return await run(files.filter(exists), env, skips);
  } finally {
    Deno.removeSync(skips);
  }
}

/** Passes the test runner's output on as it comes, and keeps its last line. */
async function run(files: string[], env: Record<string, string>, skips: string): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "--permit-no-files", ...files],
    env,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let tail = "";
  for await (const chunk of child.stdout) {
    Deno.stdout.writeSync(chunk);
    tail = (tail + new TextDecoder().decode(chunk)).slice(-2000);
  }
  const { code } = await child.status;
  const counts = /(\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/
    .exec(tail);
  const skipped = listSkips(skips);
  if (!counts) return code || 1;
  const [, passed, failed] = counts;
  const verdict = code === 0 ? green("ok") : red("FAILED");
  console.log(
    `${bold(verdict)} ${dim(args.bin ? `(executables in ${args.bin})` : "(from source)")}`,
  );
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return code;
}

/** Prints what was skipped, by reason. Returns how many tests that is. */
function listSkips(file: string): number {
  const lines = Deno.readTextFileSync(file).split("\n").filter(Boolean);
  const skips = lines.map((line) =>
    JSON.parse(line) as Record<"test" | "lacks" | "remedy", string>
  );
  const byReason = Map.groupBy(skips, ({ lacks }) => lacks);
  for (const [lacks, tests] of byReason) {
    console.log(yellow(`\nskipped, for want of ${lacks}; to run them: ${tests[0]!.remedy}`));
    for (const { test } of tests) console.log(dim(`  ${test}`));
  }
  if (skips.length > 0) console.log();
  return skips.length;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
