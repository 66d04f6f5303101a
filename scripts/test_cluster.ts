/**
 * `deno task test:cluster`: see {@link USAGE}.
 *
 * @module
 */
import { parseArgs } from "../lib/deps/parse_args.ts";
import { isFile } from "./support/files.ts";
import { ROOT } from "./support/root.ts";

/** The Debian whose etcd is newer than bookworm's 3.4. */
const NEWER_SUITE = "trixie";

const USAGE = `Tests cluster-local with an etcd of three members that fail.

usage: deno task test:cluster [OPTION…]

  --all          5,000 attachments by 100 nodes, instead of 500
  --bin DIR      the executables in DIR, where a test starts any, instead of the sources
  --filter TEXT  only tests with TEXT in their name
  --help         this text

It happens in namespaces that it makes, with Debian's etcd-server and etcd-client.
`;

const args = parseArgs(Deno.args, {
  boolean: ["all", "help"],
  string: ["bin", "filter"],
  unknown(argument: string) {
    console.error(`unknown argument ${argument}; --help lists what there is`);
    Deno.exit(2);
  },
});
if (args.help) {
  console.log(USAGE.trimEnd());
  Deno.exit(0);
}
const newer = Deno.env.get("CNI_TEST_ETCD") ?? newerEtcd();
const files = ["faults", "security", "storm"].map((name) => `${ROOT}/tests/cluster/${name}.ts`);
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "--allow-all", `${ROOT}/scripts/run_tests.ts`, ...files],
    ...["bin", "filter"].flatMap((name) => args[name] ? [`--${name}`, String(args[name])] : []),
  ],
  env: {
    ...args.all ? { CNI_TEST_ALL: "1" } : {},
    ...newer === undefined ? {} : { CNI_TEST_ETCD: newer },
  },
}).spawn().status;
Deno.exit(code);

/**
 * The etcd of the next Debian, unpacked and not installed; undefined where it cannot be had. Nothing
 * of this machine's own apt is changed.
 */
function newerEtcd(): string | undefined {
  const directory = `${Deno.env.get("HOME") ?? "/root"}/.cache/cni-newer-etcd`;
  const programs = `${directory}/root/usr/bin`;
  if (isFile(`${programs}/etcdctl`)) return programs;
  Deno.mkdirSync(`${directory}/lists/partial`, { recursive: true });
  Deno.mkdirSync(`${directory}/cache/archives/partial`, { recursive: true });
  const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
  Deno.writeTextFileSync(
    `${directory}/sources.list`,
    `deb [signed-by=${key}] http://deb.debian.org/debian ${NEWER_SUITE} main\n`,
  );
  const run = (program: string, ...args: string[]) =>
    new Deno.Command(program, { args, cwd: directory, stdout: "null", stderr: "null" })
      .outputSync().success;
  const apt = (...args: string[]) =>
    run(
      "apt-get",
      ...["-o", `Dir::Etc::sourcelist=${directory}/sources.list`],
      ...["-o", "Dir::Etc::sourceparts=/dev/null", "-o", `Dir::State::lists=${directory}/lists`],
      ...["-o", `Dir::Cache=${directory}/cache`, ...args],
    );
  try {
    if (!apt("update") || !apt("download", "etcd-server", "etcd-client")) return undefined;
    const packages = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".deb"));
    const unpack = ({ name }: Deno.DirEntry) => run("dpkg-deb", "-x", name, "root");
    return packages.every(unpack) ? programs : undefined;
  } catch {
    return undefined; // no apt
  }
}
