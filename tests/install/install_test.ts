/**
 * `cni install` and `cni uninstall`, as an image build, an init container or a person calls them:
 * an executable of this project with plugins of the test's own.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { contentOf, type Ended, ended, InstallProject } from "../support/install_project.ts";
import { missing, reportSkip, type Requirement } from "../support/requirements.ts";

let project: InstallProject;
Deno.test.beforeAll(() => {
  project = new InstallProject();
});
Deno.test.afterAll(() => project[Symbol.dispose]());

/** Stands for a Go plugin: what it says tells whose it is. */
const OTHERS = "#!/bin/sh\necho others\n";

/** A directory with a file of somebody else's in a plugin's place, and one in no plugin's. */
function occupied(): string {
  const directory = project.directory();
  Deno.writeTextFileSync(`${directory}/probe`, OTHERS, { mode: 0o750 });
  Deno.writeTextFileSync(`${directory}/calico`, OTHERS, { mode: 0o755 });
  return directory;
}

const installed = (directory: string, ...args: string[]) =>
  succeeded(project.new, ["install", directory, ...args]);

async function succeeded(program: string, args: string[]): Promise<Ended> {
  const result = await ended(program, args);
  assertEquals([result.code, result.stdout], [0, args.includes("--json") ? result.stdout : ""]);
  return result;
}

async function refused(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ended(program, args);
  assertEquals([code, stdout], [1, ""], stderr);
  return stderr;
}

/**
 * Waits for the server of `$cni` to listen, and defines `served NUMBER CLIENT`: a call of VERSION that is
 * the one of this number which the server serves, and what it says. A client that the machine keeps
 * from its processor for a second calls the executable, and is called again.
 */
const SERVED = `status() { "$cni" status --json; }
    until status >/dev/null 2>&1; do sleep 0.05; done
    served() {
      for again in 1 2 3 4 5; do
        said=$(CNI_COMMAND=VERSION "$2")
        status | grep -q '"served": '"$1" && break
      done
      echo "$said"
    }`;

/** What a file says it is. */
async function says(path: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout, stderr } = await ended(path, ["--version"], env);
  return (stdout + stderr).trim();
}

Deno.test("install puts every name there, keeps others' aside, and uninstall brings them back", async () => {
  const directory = occupied();
  const before = contentOf(directory);
  const { stderr } = await installed(directory);
  assertEquals(
    stderr,
    [
      "added: cni, cnitool, new",
      "replaced: probe",
      "kept aside for cni uninstall: probe",
      `v2.0.0 is in ${directory}`,
    ].map((line) => `cni install: ${line}\n`).join(""),
  );
  assertEquals(await says(`${directory}/probe`), "CNI probe plugin v2.0.0");
  assertEquals(await says(`${directory}/new`), "CNI new plugin v2.0.0");
  assertEquals(await says(`${directory}/calico`), "others");
  const inodes = ["cni", "cnitool", "new", "probe"].map((name) =>
    Deno.statSync(`${directory}/${name}`).ino
  );
  assertEquals(new Set(inodes).size, 1);

  const removed = await succeeded(`${directory}/cni`, ["uninstall", directory]);
  assertEquals(
    removed.stderr,
    [
      "removed: cnitool, new, cni",
      "restored: probe",
      `nothing of cni install is left in ${directory}`,
    ].map((line) => `cni uninstall: ${line}\n`).join(""),
  );
  assertEquals(contentOf(directory), before);
  assertStringIncludes(
    await refused(project.new, "uninstall", directory),
    `nothing was installed in ${directory} by cni install`,
  );
});

Deno.test("a program that starts every executable of the directory starts none that was kept aside", async () => {
  const directory = occupied();
  await installed(directory);
  const said = [];
  for (const { name } of Deno.readDirSync(directory)) {
    const { isDirectory, mode } = Deno.statSync(`${directory}/${name}`);
    if (isDirectory || (mode! & 0o111) === 0) continue;
    const { stdout, stderr } = await ended(`${directory}/${name}`, []);
    said.push(`${name}: ${(stdout + stderr).split("\n")[0]}`);
  }
  // Tools print their help.
  assertEquals(said.filter((line) => line.includes("others")), ["calico: others"]);
  assert(said.includes("probe: CNI probe plugin v2.0.0"), said.join("\n"));
});

Deno.test("installing again changes nothing, not even where nothing can be written", async () => {
  const directory = occupied();
  await installed(directory, "--as", "acme=probe");
  const inode = () => Deno.statSync(`${directory}/probe`).ino;
  const [before, first] = [contentOf(directory), inode()];
  for (const args of [[], ["--as", "acme=probe"]]) {
    const { stderr } = await installed(directory, ...args);
    assertMatch(stderr, /^cni install: unchanged: cni, cnitool, new, probe, acme \(probe\)\n/);
    assertEquals([contentOf(directory), inode()], [before, first]);
  }
  if (missing(["root"])) return;
  const mounted = ["--mount", "sh", "-c", 'mount --bind -o ro "$2" "$2" && exec "$0" "$@"'];
  const { code, stderr } = await ended("unshare", [...mounted, project.new, "install", directory]);
  assertEquals([code, /unchanged/.test(stderr)], [0, true], stderr);
});

Deno.test("an upgrade replaces what was installed, and keeps what only the older version has", async () => {
  const directory = occupied();
  await succeeded(project.old, ["install", directory, "--as", "acme=probe"]);
  assertEquals(await says(`${directory}/acme`), "CNI probe plugin v1.0.0");
  const { stderr } = await installed(directory);
  assertMatch(stderr, /added: new\n.*replaced: cni, cnitool, probe, acme \(probe\)\n/);
  assertEquals(stderr.includes("kept aside"), false);
  assertEquals(await says(`${directory}/acme`), "CNI probe plugin v2.0.0");
  // A container that it attached still needs its DEL.
  assertEquals(await says(`${directory}/old`), "CNI old plugin v1.0.0");

  const back = await succeeded(project.old, ["install", directory]);
  assertMatch(back.stderr, /replaced: cni, cnitool, old, probe, acme \(probe\)\n/);
  await succeeded(project.new, ["uninstall", directory]);
  assertEquals(Object.keys(contentOf(directory)).sort(), ["calico", "probe"]);
  assertEquals(await says(`${directory}/probe`), "others");
});

for (const args of [["--resident"], ["--links", "symlink"]]) {
  Deno.test(`an upgrade with ${args.join(" ")} keeps what only the older version has`, async () => {
    const directory = occupied();
    await succeeded(project.old, ["install", directory, "--as", "acme=old", ...args]);
    for (let i = 0; i < 2; i++) {
      await installed(directory, ...args);
      assertEquals(await says(`${directory}/old`), "CNI old plugin v1.0.0");
      assertEquals(await says(`${directory}/acme`), "CNI old plugin v1.0.0");
      assertEquals(await says(`${directory}/probe`), "CNI probe plugin v2.0.0");
    }
    await succeeded(project.old, ["install", directory, ...args]);
    assert(Deno.lstatSync(`${directory}/old`).size < 16_384, "as it was");
    await succeeded(project.new, ["uninstall", directory]);
    assertEquals(Object.keys(contentOf(directory)).sort(), ["calico", "probe"]);
  });
}

Deno.test("--dry-run says what would be done, and does nothing", async () => {
  const directory = occupied();
  const before = contentOf(directory);
  const { stdout, stderr } = await installed(directory, "--dry-run", "--json", "--only", "probe");
  const report = JSON.parse(stdout);
  assertEquals(report, {
    directory,
    version: "v2.0.0",
    dryRun: true,
    created: false,
    files: [
      { name: "cni", command: "cni", action: "added", keptAside: false },
      { name: "probe", command: "probe", action: "replaced", keptAside: true },
    ],
    notes: [],
  });
  assertStringIncludes(stderr, "would be kept aside for cni uninstall: probe\n");
  assertEquals(contentOf(directory), before);

  await installed(`${directory}/none`, "--dry-run");
  assertEquals(contentOf(directory), before);
});

Deno.test("uninstall --dry-run says what would be done, and does nothing", async () => {
  const directory = occupied();
  await installed(directory);
  Deno.removeSync(`${directory}/new`);
  Deno.writeTextFileSync(`${directory}/new`, OTHERS, { mode: 0o755 });
  const before = contentOf(directory);
  const { stdout, stderr } = await succeeded(
    project.new,
    ["uninstall", directory, "--dry-run", "--json"],
  );
  assertEquals(JSON.parse(stdout), {
    directory,
    dryRun: true,
    files: [
      { name: "cnitool", action: "removed" },
      { name: "new", action: "left" },
      { name: "probe", action: "restored" },
      { name: "cni", action: "removed" },
    ],
  });
  assertEquals(
    stderr,
    [
      "would be removed: cnitool, cni",
      "would be restored: probe",
      "would be left, since somebody else has replaced them: new",
      `nothing of cni install would be left in ${directory}`,
    ].map((line) => `cni uninstall: ${line}\n`).join(""),
  );
  assertEquals(contentOf(directory), before);
  assertStringIncludes(
    await refused(project.new, "uninstall", project.directory(), "--dry-run"),
    "nothing was installed",
  );
});

for (
  const [links, forms] of Object.entries({
    copy: { cni: "file", probe: "file", new: "file", acme: "file" },
    symlink: { cni: "file", probe: "-> cni", new: "-> cni", acme: "-> cni" },
  })
) {
  Deno.test(`--links ${links}, and back to hard links`, async () => {
    const directory = occupied();
    await installed(directory, "--links", links, "--as", "acme=new");
    const content = contentOf(directory);
    for (const [name, form] of Object.entries(forms)) {
      assertEquals(content[name]!.replace(/^755 .* bytes$/, "file"), form, name);
    }
    assertEquals(await says(`${directory}/probe`), "CNI probe plugin v2.0.0");
    assertEquals(await says(`${directory}/acme`), "CNI new plugin v2.0.0");
    assertMatch((await installed(directory, "--links", links)).stderr, /: unchanged: cni, .*acme/);
    await installed(directory);
    const inodes = Object.keys(forms).map((name) => Deno.lstatSync(`${directory}/${name}`).ino);
    assertEquals(new Set(inodes).size, 1);
    await succeeded(project.new, ["uninstall", directory]);
    assertEquals(Object.keys(contentOf(directory)).sort(), ["calico", "probe"]);
  });
}

const noStrace = missing(["strace"]);
if (noStrace) reportSkip("install: a file system without hard links", noStrace);
Deno.test({
  name: "where the file system makes no hard links, names are copies, and that is said",
  ignore: noStrace !== undefined,
  async fn() {
    const directory = occupied();
    const strace = ["-f", "-qq", "-o", "/dev/null", "--inject=link,linkat:error=EPERM"];
    const { code, stderr } = await ended("strace", [...strace, project.new, "install", directory]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, `3 names are copies: the file system of ${directory} makes no`);
    assertEquals(await says(`${directory}/probe`), "CNI probe plugin v2.0.0");
    await succeeded(project.new, ["uninstall", directory]);
    assertEquals(contentOf(directory).probe, `750 ${OTHERS}`);
  },
});

Deno.test("--resident: clients in the place of plugins, which serve other names too", async () => {
  const directory = occupied();
  await installed(directory, "--resident", "--as", "acme=probe");
  const sizes = ["probe", "new", "acme"].map((name) => Deno.statSync(`${directory}/${name}`).size);
  assert(sizes.every((size) => size < 16_384), sizes.join());
  assertEquals(Deno.statSync(`${directory}/cnitool`).ino, Deno.statSync(`${directory}/cni`).ino);
  assertMatch((await installed(directory, "--resident")).stderr, /: unchanged: cni, .*acme/);
  // No server listens, or it knows another executable: the client executes its own.
  assertEquals(await says(`${directory}/probe`), "CNI probe plugin v2.0.0");
  assertEquals(await says(`${directory}/acme`), "CNI probe plugin v2.0.0");
  await installed(directory);
  assertEquals(Deno.statSync(`${directory}/acme`).ino, Deno.statSync(`${directory}/cni`).ino);
  await succeeded(project.new, ["uninstall", directory]);
  assertEquals(Object.keys(contentOf(directory)).sort(), ["calico", "probe"]);
});

/** Tests in a mount namespace of their own, where `/opt` is a directory that only root may change. */
function rootTest(name: string, test: (run: (script: string) => Promise<string>) => Promise<void>) {
  const lacks = missing(["root"]);
  if (lacks) reportSkip(name, lacks);
  Deno.test({
    name,
    ignore: lacks !== undefined,
    async fn() {
      const prelude = 'mount --bind "$0" /opt; mount -t tmpfs none /run; mkdir /run/cni; set -e;';
      const args = [project.directory(), project.new, project.old];
      await test(async (script) => {
        const sh = ["sh", "-c", `${prelude} ${script}`, ...args];
        const { code, stdout, stderr } = await ended("unshare", ["--mount", ...sh]);
        assertEquals(code, 0, stdout + stderr);
        return stdout + stderr;
      });
    },
  });
}

const NEW = "CNI probe plugin v2.0.0\n";

rootTest("--resident: a client finds its executable from another directory, too", async (run) => {
  await run("mkdir -p /opt/cni/bin /opt/copy /opt/link");
  assertMatch(await run('"$2" install /opt/cni/bin --resident'), /v1\.0\.0 is in/);
  const upgraded = await run('"$1" install /opt/cni/bin --resident');
  assertMatch(upgraded, /replaced: cni, cnitool\n.*unchanged: probe\n/);
  assertEquals(upgraded.includes("kept aside"), false, upgraded);
  await run("cp /opt/cni/bin/probe /opt/copy; ln -s ../cni/bin/probe /opt/link/probe");
  const each = "for dir in copy link cni/bin; do /opt/$dir/probe --version; done";
  assertEquals(await run(each), NEW.repeat(3));
  assertMatch(await run('"$1" install /opt/cni/bin --resident'), /: unchanged: cni, .*probe\n/);

  const served = await run(`/opt/cni/bin/cni serve 2>/dev/null & server=$!
    cni=/opt/cni/bin/cni; ${SERVED}
    i=0; for dir in copy link cni/bin; do served $((i += 1)) /opt/$dir/probe; done
    status; kill "$server"; wait "$server"`);
  assertMatch(served, /"served": 3\b/);

  // The whole directory is moved: what was written in leads nowhere, then to the new one.
  await run("mv /opt/cni/bin /opt/moved");
  assertEquals(await run("/opt/moved/probe --version"), NEW);
  const again = await run('"$1" install /opt/moved --resident');
  assertMatch(again, /: replaced: new, probe\n/);
  assertEquals(again.includes("kept aside"), false, again);
  assertEquals(await run("cp /opt/moved/probe /opt/copy; /opt/copy/probe --version"), NEW);
  await run('"$1" uninstall /opt/moved');
  assertEquals(await run("ls -A /opt/moved"), "");
});

rootTest("--resident writes no path into a client that others may put a file at", async (run) => {
  // As where an image's root is made in /tmp: whose path that is on another machine is not known.
  await run("mkdir -p -m 1777 /opt/open; mkdir -p /opt/open/bin /opt/copy; chown 1 /opt/open/bin");
  const copied = "cp /opt/open/bin/probe /opt/copy; /opt/copy/probe --version || true";
  for (const change of ["chown 0 /opt/open/bin", "chmod 755 /opt/open"]) {
    await run('"$1" install /opt/open/bin --resident');
    assertEquals(await run("/opt/open/bin/probe --version"), NEW);
    assertEquals(JSON.parse(await run(copied)).code, 5);
    await run(change);
  }
  const dry = await run('"$1" install /opt/open/bin --resident --dry-run');
  assertMatch(dry, /would be replaced: new, probe\n/);
  assertEquals(JSON.parse(await run(copied)).code, 5);
  const upgraded = await run('"$1" install /opt/open/bin --resident');
  assertMatch(upgraded, /: replaced: new, probe\n/);
  assertEquals(upgraded.includes("kept aside"), false, upgraded);
  assertEquals(await run(copied), NEW);
});

rootTest("--resident: a path that has no room in a client is not written there", async (run) => {
  await run(`mkdir -p /opt/copy /opt/${"x".repeat(250)}`);
  assertMatch(await run('"$1" install /opt/x* --resident'), /added: cni, cnitool, new, probe\n/);
  assertEquals(await run("/opt/x*/probe --version"), NEW);
  assertMatch(await run('"$1" install /opt/x* --resident'), /: unchanged: cni, .*probe\n/);
  const copied = await run("cp /opt/x*/probe /opt/copy; /opt/copy/probe --version || true");
  assertEquals(JSON.parse(copied).code, 5);
});

Deno.test("a name that nobody gave is none, and the error says how to give it", async () => {
  const directory = project.directory();
  await installed(directory);
  Deno.linkSync(`${directory}/cni`, `${directory}/acme-probe`);
  Deno.symlinkSync(`${directory}/cni`, `${directory}/link`);
  for (const name of ["acme-probe", "link"]) {
    const { code, stdout } = await ended(`${directory}/${name}`, [], { CNI_COMMAND: "ADD" });
    assertEquals([code, JSON.parse(stdout).code], [1, 7]);
    assertStringIncludes(JSON.parse(stdout).msg, `cni install DIR --as ${name}=PLUGIN`);
  }
  // The names of a directory are those that the kernel found the executable in.
  const elsewhere = project.directory();
  Deno.mkdirSync(`${elsewhere}/.cni/as`, { recursive: true });
  Deno.symlinkSync("probe", `${elsewhere}/.cni/as/mine`);
  Deno.symlinkSync(`${directory}/cni`, `${elsewhere}/mine`);
  assertEquals(await says(`${elsewhere}/mine`), "cni v2.0.0");
  const posing = ["-c", 'exec -a "$1" "$0" --version', `${directory}/cni`];
  for (const name of [`${elsewhere}/mine`, "..", "../as/mine", "toString"]) {
    assertEquals((await ended("bash", [...posing, name])).stdout, "cni v2.0.0\n", name);
  }
  for (const name of ["mine", "toString", "cni"]) {
    Deno.mkdirSync(`${directory}/.cni/as`, { recursive: true });
    Deno.symlinkSync("constructor", `${directory}/.cni/as/${name}`);
    assertEquals((await ended("bash", [...posing, name])).stdout, "cni v2.0.0\n", name);
  }
});

Deno.test("what somebody puts in the place of an installed file is theirs", async () => {
  const directory = occupied();
  await installed(directory);
  const newer = "#!/bin/sh\necho newer others\n";
  for (const name of ["probe", "new"]) {
    Deno.removeSync(`${directory}/${name}`);
    Deno.writeTextFileSync(`${directory}/${name}`, newer, { mode: 0o755 });
  }
  const removed = await succeeded(project.new, ["uninstall", directory]);
  assertStringIncludes(removed.stderr, "left, since somebody else has replaced them: new, probe\n");
  assertEquals(await says(`${directory}/probe`), "newer others");

  await installed(directory);
  Deno.removeSync(`${directory}/probe`);
  Deno.writeTextFileSync(`${directory}/probe`, OTHERS, { mode: 0o755 });
  const again = await installed(directory);
  assertMatch(
    again.stderr,
    /unchanged: cni, cnitool, new\n.*kept aside for cni uninstall: probe\n/s,
  );
  await succeeded(project.new, ["uninstall", directory]);
  assertEquals([await says(`${directory}/probe`), await says(`${directory}/new`)], [
    "others",
    "newer others",
  ]);
});

Deno.test("plugins that run, and start, while they are replaced", async () => {
  const directory = project.directory();
  await succeeded(project.old, ["install", directory]);
  await using running = new Deno.Command(`${directory}/probe`, { args: ["run"] }).spawn();
  let over = false;
  const said = new Set<string>();
  const starting = (async () => {
    while (!over) said.add(await says(`${directory}/probe`));
  })();
  try {
    for (const version of [project.new, project.old, project.new]) {
      await succeeded(version, ["install", directory]);
    }
  } finally {
    over = true;
    await starting;
  }
  said.add(await says(`${directory}/probe`)); // A start may take longer than an installation.
  running.kill("SIGKILL");
  assertEquals([...said].sort(), ["CNI probe plugin v1.0.0", "CNI probe plugin v2.0.0"]);
});

Deno.test("several installations at once end in one", async () => {
  const directory = occupied();
  const results = await Promise.all(
    [project.new, project.old, project.new, project.new].map((program) =>
      ended(program, ["install", directory])
    ),
  );
  assertEquals(results.map(({ code }) => code), [0, 0, 0, 0], results[1]!.stderr);
  await installed(directory);
  assertEquals(await says(`${directory}/probe`), "CNI probe plugin v2.0.0");
  await succeeded(project.new, ["uninstall", directory]);
  assertEquals(contentOf(directory).probe, `750 ${OTHERS}`);
});

Deno.test("the directory is created, through links, whatever the umask", async () => {
  const parent = project.directory();
  Deno.symlinkSync(parent, `${parent}/link`);
  const args = ["-c", 'umask 077; exec "$@"', "sh", project.new, "install", `${parent}/link/a/b`];
  const { code, stdout, stderr } = await ended("sh", [...args, "--as", "acme=probe", "--json"]);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, `${parent}/a/b created\n`);
  assertEquals(JSON.parse(stdout).directory, `${parent}/a/b`);
  for (const path of ["", "/probe", "/.cni", "/.cni/as"]) {
    assertEquals(Deno.statSync(`${parent}/a/b${path}`).mode! & 0o777, 0o755, path);
  }
});

Deno.test("what is in the way is named, and nothing is changed", async () => {
  const directory = occupied();
  Deno.writeTextFileSync(`${directory}/file`, "");
  Deno.symlinkSync("nowhere", `${directory}/dangling`);
  Deno.mkdirSync(`${directory}/new`);
  const before = contentOf(directory);
  for (
    const [args, message] of [
      [[`${directory}/file`], "file is no directory"],
      [[`${directory}/file/bin`], "file/bin"],
      [[`${directory}/dangling`], "symbolic link to nowhere, which does not exist"],
      [[directory], "new is neither a file nor a symbolic link"],
      [[directory, "--only", "bridge"], "has no bridge; it has cnitool, new, probe"],
      [[directory, "--as", "acme=bridge"], "has no bridge; it has cnitool, new, probe"],
      [[directory, "--as", "probe=new"], "probe is what it is under its own name"],
    ] as const
  ) {
    assertStringIncludes(await refused(project.new, "install", ...args), message);
    assertEquals(contentOf(directory), before);
  }
  for (
    const [args, message] of [
      [["--links", "soft"], "--links must be one of hard, symlink, copy, not soft"],
      [["--as", "acme"], "--as must be NAME=PLUGIN"],
      [["--as", "../acme=probe"], "--as must be NAME=PLUGIN"],
      [["--as", ".acme=probe"], "--as must be NAME=PLUGIN"],
      [["--as", "acme=probe", "--as", "acme=new"], "--as gives acme twice: probe and new"],
    ] as const
  ) {
    const { code, stderr } = await ended(project.new, ["install", directory, ...args]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, message);
  }
  assertEquals(contentOf(directory), before);
});

Deno.test("a record that cannot be read is refused, and says where kept files are", async () => {
  const directory = occupied();
  await installed(directory);
  const record = `${directory}/.cni/installed.json`;
  const text = Deno.readTextFileSync(record);
  for (const damaged of [text.slice(1), text.replace('"format":1', '"format":2')]) {
    Deno.writeTextFileSync(record, damaged);
    const before = contentOf(directory);
    for (const command of ["install", "uninstall"]) {
      const stderr = await refused(project.new, command, directory);
      assertStringIncludes(stderr, `${record} says what was installed here, and cannot be read`);
      assertStringIncludes(stderr, `${directory}/.cni/before`);
      assertEquals(contentOf(directory), before);
    }
  }
});

Deno.test("without the record, what was kept aside still comes back", async () => {
  const directory = occupied();
  await installed(directory);
  Deno.removeSync(`${directory}/.cni/installed.json`);
  await succeeded(project.old, ["install", directory]);
  assertEquals(contentOf(directory)[".cni/before/probe"], `750 ${OTHERS}`);
  Deno.removeSync(`${directory}/.cni/installed.json`);
  await installed(directory);
  assertEquals(contentOf(directory)[".cni/before/probe"], `750 ${OTHERS}`);
  Deno.removeSync(`${directory}/.cni/installed.json`);
  const { stderr } = await succeeded(project.new, ["uninstall", directory]);
  assertStringIncludes(stderr, "restored: cnitool, new, probe, cni\n");
  assertEquals(await says(`${directory}/probe`), "others");
});

const unserved = missing(["root"]);
if (unserved) reportSkip("install: the resident server serves other names", unserved);
Deno.test({
  name: "the resident server serves a plugin under the name that it was given, and no other",
  ignore: unserved !== undefined,
  async fn() {
    const directory = occupied();
    await installed(directory, "--resident", "--as", "acme=probe");
    Deno.copyFileSync(`${directory}/acme`, `${directory}/nameless`);
    const script = `mount -t tmpfs none /run && mkdir /run/cni
      "$0/cni" serve 2>/dev/null & server=$!
      cni="$0/cni"; ${SERVED}
      served 1 "$0/acme"; served 2 "$0/probe"; CNI_COMMAND=VERSION "$0/nameless" >/dev/null
      status
      kill "$server"; wait "$server"`;
    const { stdout, stderr } = await ended("unshare", ["--mount", "sh", "-c", script, directory]);
    const documents = stdout.replaceAll("}{", "}\n{");
    assertEquals(documents.match(/"supportedVersions"/g)?.length, 2, stdout + stderr);
    assertMatch(documents, /"served": 2\b/);
    assertMatch(documents, /"name of no plugin": 1\b/);
  },
});

/** Tests in a mount namespace of their own: `mount` is mounted, with its options, before a command. */
function mountTest(
  name: string,
  needs: readonly Requirement[],
  options: string,
  test: (
    directory: string,
    run: (program: string, ...args: string[]) => Promise<Ended>,
  ) => Promise<void>,
): void {
  const lacks = missing(["root", ...needs]);
  if (lacks) reportSkip(name, lacks);
  Deno.test({
    name,
    ignore: lacks !== undefined,
    async fn() {
      const directory = occupied();
      const script = 'mount $1 "$2" && shift 2 && exec "$@"';
      await test(
        directory,
        (program, ...args) =>
          ended("unshare", [
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            options,
            directory,
            program,
            ...args,
          ]),
      );
    },
  });
}

mountTest(
  "a full disk: the error says so, and the directory is as it was",
  [],
  "-ttmpfs -osize=50M none",
  async (directory, run) => {
    const list = 'find "$2" -mindepth 1; "$0" "$@"; code=$?; find "$2" -mindepth 1; exit $code';
    const { code, stdout, stderr } = await run("sh", "-c", list, project.new, "install", directory);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /cannot install into .*ENOSPC.*; what is there was left as it was/);
  },
);

mountTest(
  "a directory that cannot be written: the error says so",
  [],
  "--bind -oro /",
  async (directory, run) => {
    // The mount is of the root directory, read-only.
    const { code, stderr } = await run(project.new, "install", `${directory}/tmp`);
    assertEquals(code, 1);
    assertMatch(stderr, /cannot install into .*EROFS.*; what is there was left as it was/);
  },
);

mountTest(
  "a directory whose files cannot be executed: that is said",
  [],
  "-ttmpfs -onoexec none",
  async (directory, run) => {
    const { code, stderr } = await run(project.new, "install", directory);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, `nothing in ${directory} can be executed as it is mounted here`);
  },
);
