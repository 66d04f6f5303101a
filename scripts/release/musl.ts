/**
 * What runs an executable that is linked with musl on a Debian system: Debian's musl, and in the place
 * of a libstdc++ for musl, which no package of Debian's or npm's has, that of glibc. musl's dynamic
 * linker passes over versions of symbols and takes glibc's libraries for itself; the few functions
 * that musl lacks are in `musl_shim.s`.
 *
 * @module
 */
import { run } from "../build/run.ts";
import { hasProgram, isFile } from "../support/files.ts";

/** Debian's, for x86-64 (packages musl, libstdc++6, libgcc-s1). */
const LINKER = "/lib/ld-musl-x86_64.so.1";
const LIBRARIES = ["libstdc++.so.6", "libgcc_s.so.1"].map((name) =>
  `/usr/lib/x86_64-linux-gnu/${name}`
);

/** Why an executable for musl cannot be run here; undefined where it can. */
export function lacksMusl(): string | undefined {
  if (Deno.build.arch !== "x86_64") return "this machine is not x86-64";
  if (!isFile(LINKER)) return "apt-get install musl would let it";
  if (!["as", "ld"].every(hasProgram)) return "apt-get install binutils would let it";
  return LIBRARIES.every(isFile) ? undefined : "apt-get install libstdc++6 would let it";
}

/**
 * Makes a directory of libraries.
 * @param directory which is empty
 * @returns the environment of a program that shall use them
 */
export async function muslLibraries(directory: string): Promise<Record<string, string>> {
  for (const path of LIBRARIES) {
    Deno.copyFileSync(path, `${directory}/${path.slice(path.lastIndexOf("/") + 1)}`);
  }
  const source = decodeURIComponent(new URL("musl_shim.s", import.meta.url).pathname);
  const name = "ld-linux-x86-64.so.2";
  await run("as", ["-o", `${directory}/shim.o`, source]);
  await run("ld", [
    "-shared",
    "-soname",
    name,
    "-o",
    `${directory}/${name}`,
    `${directory}/shim.o`,
  ]);
  return { LD_LIBRARY_PATH: directory };
}
