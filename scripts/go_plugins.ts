/**
 * `deno task go-plugins`: see {@link USAGE}.
 *
 * @module
 */
import { cacheDirectory, isFile } from "./support/files.ts";
import { fetchPackages } from "./support/newer_packages.ts";

const USAGE =
  `Prints a directory of the newest Go plugins that Debian has, for tests and benchmarks that
compare with them:

  CNI_TEST_GO=$(deno task --quiet go-plugins) deno task test tests/interop
  deno task bench --against "$(deno task --quiet go-plugins)"

They are downloaded from Debian's unstable suite and unpacked, not installed, to cni-go-plugins in
$XDG_CACHE_HOME or ~/.cache; delete that to get newer ones.
`;

if (Deno.args.length > 0) {
  console.log(USAGE.trimEnd());
  Deno.exit(Deno.args[0] === "--help" ? 0 : 2);
}
try {
  const directory = `${cacheDirectory("the Go plugins")}/cni-go-plugins`;
  const plugins = `${directory}/root/usr/lib/cni`;
  if (!isFile(`${plugins}/bridge`)) {
    await fetchPackages("sid", ["containernetworking-plugins"], directory);
  }
  console.log(plugins);
} catch (error) {
  console.error(`go-plugins: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
