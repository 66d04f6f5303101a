/**
 * containerd of a newer suite of Debian's than the machine's.
 *
 * @module
 */
import { run } from "../../scripts/build/run.ts";
import { fetchPackages } from "../../scripts/support/newer_packages.ts";

/**
 * Brings the package.
 * @param directory where it is unpacked
 * @returns the directory of its programs
 * @throws {Error} that says why it cannot be had, or does not run here
 */
export async function fetchContainerd(directory: string): Promise<string> {
  const programs = `${await fetchPackages("sid", ["containerd"], directory)}/usr/bin`;
  await run(`${programs}/containerd`, ["--version"]);
  return programs;
}
