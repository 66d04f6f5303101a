import { parseArgs } from "../../lib/deps/parse_args.ts";
import { ROOT } from "./root.ts";

/** Tests that take too long for `deno task test`, and have a task of their own. */
export interface LongTests {
  usage: string;
  /** Files below `tests/`, without `.ts`. */
  files: readonly string[];
  /** Options with a value that are passed on to `deno task test`. */
  options: readonly string[];
  /** Environment variables for the tests, which `--all` adds CNI_TEST_ALL to. */
  env?: () => Promise<Record<string, string>>;
}

/** Runs a part of the tests, or with `--all` all of them, and ends with their exit status. */
export async function runLongTests({ usage, files, options, env }: LongTests): Promise<never> {
  const args = parseArgs(Deno.args, {
    boolean: ["all", "help"],
    string: [...options],
    unknown(argument: string) {
      console.error(`unknown argument ${argument}; --help lists what there is`);
      Deno.exit(2);
    },
  });
  if (args.help) {
    console.log(usage.trimEnd());
    Deno.exit(0);
  }
  const passed = options.flatMap((name) => args[name] ? [`--${name}`, String(args[name])] : []);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", `${ROOT}/scripts/run_tests.ts`],
      ...files.map((file) => `${ROOT}/tests/${file}.ts`),
      ...passed,
    ],
    env: { ...await env?.(), ...args.all ? { CNI_TEST_ALL: "1" } : {} },
  }).spawn().status;
  Deno.exit(code);
}
