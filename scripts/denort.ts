/**
 * `deno task denort`: see {@link USAGE}.
 *
 * @module
 */
import { npmPackage } from "./build/npm_package.ts";
import { cacheDirectory } from "./support/files.ts";

const USAGE =
  `Prints where a base executable for \`deno compile\` is, and a Deno of the same version, as
assignments for a shell:

  eval "$(deno task --quiet denort)"     # sets DENORT_BIN and DENO_COMPILE
  "$DENO_COMPILE" task build

\`deno compile\` downloads its base executable, denort, from Deno's own host. Where only the npm
registry is reached, this provides a genuine one, for x86-64 with glibc: an executable in an npm
package that was made by \`deno compile\` is denort with a payload behind it. Where DENORT_BIN and
DENO_COMPILE are set already, they are printed as they are.

The result is kept in cni-denort-VERSION in $XDG_CACHE_HOME or ~/.cache.
`;

/** The Deno whose base executable this provides, and whose `deno compile` works with it. */
const DENO = { version: "2.4.2", package: "npm:@deno/linux-x64-glibc@2.4.2" };

/** A package with an executable that `deno compile` of that version made. */
const CARRIER = { package: "npm:@vltpkg/cli-linux-x64@0.0.0-18", file: "vlt" };

/** SHA-256 of the genuine denort, which the one from the carrier must have. */
const DENORT_SHA256 = "2705685d7478610b98dcd43acecd457a19810146323041c8af8a88f7dd0b5e82";

/** Offsets in a 64-bit little-endian ELF header; elf(5). */
const E_SHOFF = 0x28;
const E_SHENTSIZE = 0x3a;
const E_SHNUM = 0x3c;

if (import.meta.main) {
  if (Deno.args.length > 0) {
    console.log(USAGE.trimEnd());
    Deno.exit(Deno.args[0] === "--help" ? 0 : 2);
  }
  try {
    const { denort, deno } = await provide();
    console.log(`export DENORT_BIN='${denort}' DENO_COMPILE='${deno}'`);
  } catch (error) {
    console.error(`denort: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}

/**
 * Finds or makes both.
 * @throws {Error} when the registry is out of reach, or has another denort than expected
 */
async function provide(): Promise<{ denort: string; deno: string }> {
  const [given, compiler] = [Deno.env.get("DENORT_BIN"), Deno.env.get("DENO_COMPILE")];
  if (given && compiler) return { denort: given, deno: compiler };
  const { os, arch } = Deno.build;
  if (os !== "linux" || arch !== "x86_64") {
    throw new Error(
      `there is one for x86_64 Linux only, and this is ${arch} ${os}; set DENORT_BIN`,
    );
  }
  const cache = cacheDirectory("it");
  const directory = `${cache}/cni-denort-${DENO.version}`;
  const [denort, deno] = [`${directory}/denort`, `${directory}/deno`];
  if (!exists(denort) || !exists(deno)) {
    Deno.mkdirSync(directory, { recursive: true });
    const carrier = await npmPackage(CARRIER.package);
    const image = withoutPayload(Deno.readFileSync(`${carrier.directory}/${CARRIER.file}`));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", image));
    if (digest.toHex() !== DENORT_SHA256) {
      throw new Error(`${CARRIER.package} has not the denort that was expected`);
    }
    install(denort, image);
    const { directory: compiler } = await npmPackage(DENO.package);
    install(deno, Deno.readFileSync(`${compiler}/deno`));
  }
  return { denort, deno };
}

/** Returns denort without the payload, which follows the section headers, its last part. */
function withoutPayload(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const header = new DataView(image.buffer, image.byteOffset);
  const size = header.getUint16(E_SHENTSIZE, true) * header.getUint16(E_SHNUM, true);
  return image.subarray(0, Number(header.getBigUint64(E_SHOFF, true)) + size);
}

/** Writes an executable. Another run may do the same: each renames a file of its own. */
function install(path: string, content: Uint8Array): void {
  const temporary = `${path}.${Deno.pid}`;
  Deno.writeFileSync(temporary, content, { mode: 0o755 });
  Deno.renameSync(temporary, path);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
