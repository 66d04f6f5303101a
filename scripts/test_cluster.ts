/**
 * `deno task test:cluster`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { ROOT } from "./support/root.ts";

const USAGE = `Tests cluster-local with an etcd of three members that fail.

usage: deno task test:cluster [OPTION…]

  --all          5,000 attachments by 100 nodes, instead of 500
  --filter TEXT  only tests with TEXT in their name
  --help         this text

It happens in namespaces that it makes, with Debian's etcd-server and etcd-client.
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
const files = ["faults", "storm"].map((name) => `${ROOT}/tests/cluster/${name}.ts`);
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "--allow-all", `${ROOT}/scripts/run_tests.ts`, ...files],
    ...args.filter === undefined ? [] : ["--filter", String(args.filter)],
  ],
  env: args.all ? { CNI_TEST_ALL: "1" } : {},
}).spawn().status;
Deno.exit(code);
