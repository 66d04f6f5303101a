/** `deno task release`, on a copy of the project with a plugin of the test's own. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "../support/paths.ts";
import { ScratchProject } from "../support/scratch_project.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const VERSION = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`)).version;

const PLUGIN = `
import { definePlugin } from "../../../lib/skel/plugin.ts";
export default definePlugin({
  name: "probe", add: () => ({}), del() {}, check() {}, status() {}, gc() {},
});
`;

const FILES = {
  "plugins/main/probe/main.ts": PLUGIN,
  "plugins/main/probe/permissions.json": '"all"',
  "cni.ts": `
import { parseArgs } from "./lib/deps/parse_args.ts";
import { BUILD_VERSION } from "./lib/skel/build_version.ts";
export function main(args) {
  const { json } = parseArgs(args, { boolean: ["json"] });
  console.log(json ? JSON.stringify({ plugins: ["probe"] }) : BUILD_VERSION);
  return 0;
}`,
  ...Object.fromEntries(
    ["LICENSE", "README.md", "CHANGELOG.md", "scripts/release.ts", "scripts/support/files.ts"]
      .concat(
        Array.from(
          Deno.readDirSync(`${ROOT}/scripts/release`),
          ({ name }) => `scripts/release/${name}`,
        ),
      )
      .map((path) => [path, Deno.readTextFileSync(`${ROOT}/${path}`)]),
  ),
};

Deno.test("release: archives with hard links, sums, a bill of materials; twice the same bytes", () => {
  using project = new ScratchProject(FILES);
  const sums = ["first", "second"].map((out) => {
    const { code, stderr } = release(project, ["--only", "x86_64-linux-glibc-bun", "--out", out]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "each of 1 plugins answers VERSION");
    return Deno.readTextFileSync(`${project.root}/${out}/SHA256SUMS`);
  });
  assertEquals(sums[0], sums[1]);
  const directory = `${project.root}/first`;
  assertEquals(output("sha256sum", ["--check", "--strict", "SHA256SUMS"], directory).code, 0);
  const archive = `cni-v${VERSION}-x86_64-linux-glibc-bun.tar.gz`;
  const names = Array.from(sums[0]!.matchAll(/ {2}(.*)\n/g), ([, name]) => name);
  assertEquals(names, [
    archive.replace(".tar.gz", ".spdx.json"),
    archive,
    `cni-v${VERSION}.md`,
  ]);
  assertEquals(
    Array.from(Deno.readDirSync(directory), ({ name }) => name).sort(),
    ["SHA256SUMS", ...names],
  );

  Deno.mkdirSync(`${directory}/bin`);
  output("tar", ["--extract", "--file", archive, "--directory", "bin"], directory);
  const inode = (name: string) => Deno.statSync(`${directory}/bin/${name}`).ino;
  assertEquals(inode("probe"), inode("cni"));
  assertEquals(Deno.statSync(`${directory}/bin/probe`).mtime, new Date(86_400_000));
  const said = output(`${directory}/bin/probe`, ["--version"], directory);
  assertEquals(said.stdout, `CNI probe plugin v${VERSION}\n`);

  const bill = JSON.parse(Deno.readTextFileSync(`${directory}/${names[0]}`));
  assertEquals([bill.spdxVersion, bill.creationInfo.created], ["SPDX-2.3", "1970-01-02T00:00:00Z"]);
  const [own, runtime, ...bundled] = bill.packages;
  assertStringIncludes(sums[0]!, `${own.checksums[0].checksumValue}  ${archive}\n`);
  assertEquals([runtime.name, runtime.licenseDeclared], ["bun", "MIT"]);
  // The one package that this executable needs, as the registry's file and deno.lock have it.
  const lock = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.lock`));
  assertEquals(bundled.length, 1);
  const [{ name, versionInfo, checksums: [{ checksumValue }] }] = bundled;
  assertEquals(name, "deno-std");
  const integrity = `sha512-${Uint8Array.fromHex(checksumValue).toBase64()}`;
  assertEquals(lock.npm[`${name}@${versionInfo}`].integrity, integrity);
  const ids = bill.packages.map(({ SPDXID }: { SPDXID: string }) => SPDXID);
  assertEquals(
    bill.relationships.map((relation: Record<string, string>) => relation.relatedSpdxElement),
    ids,
  );
});

Deno.test("release: what cannot be made is named, and ends it with 1 unless it may be partial", () => {
  using project = new ScratchProject(FILES);
  for (const [args, expected] of [[[], 1], [["--partial"], 0]] as const) {
    const { code, stderr } = release(project, ["--only", "aarch64-linux-glibc-deno", ...args], {
      DENORT_BIN: "/none/denort",
    });
    assertEquals(code, expected, stderr);
    assertStringIncludes(stderr, `no cni-v${VERSION}-aarch64-linux-glibc-deno.tar.gz: `);
    assertStringIncludes(stderr, "/none/denort");
  }
  assertStringIncludes(release(project, ["--only", "vax"]).stderr, "aarch64-linux-musl-bun");
  assertEquals(release(project, ["--parital"]).code, 1);
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function release(
  { root }: ScratchProject,
  args: readonly string[],
  env: Record<string, string> = {},
): Ended {
  const script = `${root}/scripts/release.ts`;
  return output(Deno.execPath(), ["run", "--allow-all", "--no-check", script, ...args], root, {
    ...env,
    NO_COLOR: "1",
    INIT_CWD: root,
    SOURCE_DATE_EPOCH: "86400",
  });
}

function output(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Ended {
  const { code, stdout, stderr } = new Deno.Command(program, {
    args: [...args],
    cwd,
    env,
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
