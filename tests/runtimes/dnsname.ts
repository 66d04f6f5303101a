/**
 * The plugin by which podman 4 serves names on its CNI networks: Debian's package, unpacked. Were it
 * beside the Go plugins, podman would make it part of every network.
 *
 * @module
 */
import { run } from "../../scripts/build/run.ts";
import { fetchPackages } from "../../scripts/support/newer_packages.ts";

/**
 * Brings the package.
 * @param directory where it is unpacked
 * @returns the directory of the plugin
 * @throws {Error} that says why it cannot be had, or does not run here
 */
export async function fetchDnsname(directory: string): Promise<string> {
  const name = "golang-github-containernetworking-plugin-dnsname";
  const plugins = `${await fetchPackages("bookworm", [name], directory)}/usr/lib/cni`;
  await run(`${plugins}/dnsname`, [], { env: { CNI_COMMAND: "VERSION" } });
  return plugins;
}
