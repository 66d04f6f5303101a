/**
 * `deno task test:cluster`: see {@link USAGE}.
 *
 * @module
 */
import { cacheDirectory, isFile } from "./support/files.ts";
import { runLongTests } from "./support/long_tests.ts";
import { fetchPackages } from "./support/newer_packages.ts";

/** The Debian release whose etcd is newer than bookworm's 3.4. */
const NEWER_SUITE = "trixie";

const USAGE = `Tests cluster-local with an etcd of three members that fail.

usage: deno task test:cluster [OPTION…]

  --all          5,000 attachments by 100 nodes, instead of 500
  --bin DIR      the executables in DIR, where a test starts any, instead of the sources
  --filter TEXT  only tests with TEXT in their name
  --help         this text

It happens in namespaces that it makes, with Debian's etcd-server and etcd-client.
`;

await runLongTests({
  usage: USAGE,
  files: ["cluster/faults", "cluster/security", "cluster/storm"],
  options: ["bin", "filter"],
  async env(): Promise<Record<string, string>> {
    const newer = Deno.env.get("CNI_TEST_ETCD") ?? await newerEtcd();
    return newer === undefined ? {} : { CNI_TEST_ETCD: newer };
  },
});

/**
 * Fetches the etcd of the next Debian release, without installing it; undefined where that fails.
 */
async function newerEtcd(): Promise<string | undefined> {
  const directory = `${cacheDirectory("etcd")}/cni-newer-etcd`;
  const programs = `${directory}/root/usr/bin`;
  if (isFile(`${programs}/etcdctl`)) return programs;
  try {
    await fetchPackages(NEWER_SUITE, ["etcd-server", "etcd-client"], directory);
    return programs;
  } catch (error) {
    console.error(
      `no etcd of Debian's ${NEWER_SUITE}: ${error instanceof Error ? error.message : error}`,
    );
    return undefined;
  }
}
