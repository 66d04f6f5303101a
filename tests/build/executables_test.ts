/**
 * The build from end to end, on a copy of the project with plugins of the test's own: what is built
 * runs under every name, alone, in any directory. With Deno where `DENORT_BIN` names a base
 * executable (`DENO_COMPILE` then names the Deno of its version, when it is another), and with Bun.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { missing, type Reason, reportSkip } from "../support/requirements.ts";
import { ScratchProject } from "../support/scratch_project.ts";

const PROBE = `
import { NetNs } from "../../../lib/ns/netns.ts";
import { startPinnedWorker } from "../../../lib/ns/pinned.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";

const probe = definePlugin({
  name: "probe",
  add: () => ({ dns: { domain: "added" } }),
  del() {}, check() {}, status() {}, gc() {},
});
export default probe;

export async function main([what, path]) {
  if (what === "read") runtime.write(1, runtime.files.readText(path));
  if (what === "environment") runtime.write(1, JSON.stringify(runtime.environment()));
  if (what === "pinned") {
    using netns = NetNs.current();
    const worker = await startPinnedWorker(netns, new URL("./job.ts", import.meta.url));
    const { promise, resolve } = Promise.withResolvers();
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(21);
    runtime.write(1, "worked: " + await promise);
    worker.terminate();
  }
  return 7;
}
if (import.meta.main) await runPlugin(probe);
`;

const JOB = `
import { runtime } from "../../../lib/runtime/mod.ts";
globalThis.onmessage = ({ data }) => postMessage(2 * data + " in " + runtime.name);
`;

/** Another plugin, which may do nothing but read its environment. */
const MODEST = PROBE.replace('"probe"', '"modest"').replaceAll(
  "./job.ts",
  "../../main/probe/job.ts",
);

const FILES = {
  "plugins/main/probe/main.ts": PROBE,
  "plugins/main/probe/job.ts": JOB,
  "plugins/main/probe/permissions.json": '"all"',
  "plugins/ipam/modest/main.ts": MODEST,
  "plugins/ipam/modest/permissions.json": '{ "env": true }',
  "cni.ts": `import { BUILD_VERSION } from "./lib/skel/build_version.ts";
     export function main(args) { console.log("cni", BUILD_VERSION, ...args); return 0; }`,
  "cnitool.ts": `import { BUILD_VERSION } from "./lib/skel/build_version.ts";
     import { knownNames, knownPlugin } from "./lib/skel/known_plugins.ts";
     export async function main(args) {
       const known = await Promise.all(knownNames().map(knownPlugin));
       if (args[0] === "known") console.log(...known.map(({ plugin }) => plugin.name));
       else console.log("cnitool", BUILD_VERSION, ...args);
       return 0;
     }`,
};

const CONFIG = JSON.stringify({ cniVersion: "1.1.0", name: "net", type: "probe" });
/** As executables print it. */
const VERSION = `v${
  JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url))).version
}`;

for (const runtime of ["deno", "bun"] as const) {
  const lacking = missingFor(runtime);

  buildTest(`build --runtime ${runtime}: one executable under every name`, lacking, (project) => {
    const dist = `${project.root}/dist`;
    built(project, runtime);
    const [cni, ...links] = ["cni", "bin/probe", "bin/modest", "bin/cnitool"]
      .map((path) => Deno.statSync(`${dist}/${path}`));
    for (const link of links) assertEquals(link.ino, cni!.ino);
    assertEquals(Array.from(Deno.readDirSync(dist), ({ name }) => name).sort(), ["bin", "cni"]);

    const about = `CNI probe plugin ${VERSION}\n`;
    assertEquals(ran(`${dist}/bin/probe`, ["--version"]), { code: 0, stdout: about, stderr: "" });
    assertEquals(ran(`${dist}/cni`, ["probe", "--version"]).stdout, about);
    Deno.symlinkSync("bin/probe", `${dist}/mine`);
    assertEquals(ran(`${dist}/mine`, ["--version"]).stdout, about);
    assertEquals(ran(`${dist}/cni`, ["cnitool", "add"]).stdout, `cnitool ${VERSION} add\n`);
    assertEquals(ran(`${dist}/bin/probe`, ["anything"]).code, 7);

    for (const args of [[], ["--version"], ["nothing"]]) {
      assertEquals(ran(`${dist}/cni`, args).stdout, `${["cni", VERSION, ...args].join(" ")}\n`);
    }
    // To a container runtime, even this answers as a plugin does.
    const called = ran(`${dist}/cni`, [], { env: { CNI_COMMAND: "ADD" } });
    assertEquals([called.code, JSON.parse(called.stdout).code], [1, 7]);
  });

  buildTest(
    `build --runtime ${runtime}: a plugin answers with an empty environment, from any directory`,
    lacking,
    (project) => {
      built(project, runtime, "probe");
      // What a runtime would pick up by itself if it were let: settings, code, variables.
      const cwd = `${project.root}/hostile`;
      const hostile = {
        "bunfig.toml": 'preload = ["./hostile.js"]\n',
        "hostile.js": 'console.log("hostile code ran");',
        ".env": "HOSTILE=1\n",
        "package.json": '{ "type": "commonjs", "imports": { "#x": "./hostile.js" } }',
        "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./hostile.js"] } } }',
        "deno.json": '{ "imports": { "./": "./hostile.js" } }',
      };
      Deno.mkdirSync(cwd);
      for (const [name, text] of Object.entries(hostile)) {
        Deno.writeTextFileSync(`${cwd}/${name}`, text);
      }
      const probe = `${project.root}/dist/bin/probe`;
      const reply = ran(probe, [], {
        cwd,
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: "c",
          CNI_NETNS: "/none",
          CNI_IFNAME: "e",
          CNI_PATH: "/",
        },
        stdin: CONFIG,
      });
      assertEquals([reply.code, reply.stderr], [0, ""]);
      assertEquals(JSON.parse(reply.stdout).dns, { domain: "added" });
      assertEquals(ran(probe, ["environment"], { cwd }).stdout, "{}");
    },
  );

  buildTest(
    `build --runtime ${runtime}: a Worker pinned in a namespace loads its modules`,
    lacking ?? missing(["root"]),
    (project) => {
      built(project, runtime, "probe", "modest");
      const { stdout, stderr } = ran(`${project.root}/dist/cni`, ["probe", "pinned"]);
      assertEquals([stdout, stderr], [`worked: 42 in ${runtime}`, ""]);
    },
  );

  buildTest(
    `build --runtime ${runtime}: a second build replaces what the first made, and nothing else`,
    lacking,
    (project) => {
      const bin = `${project.root}/dist/bin`;
      built(project, runtime);
      Deno.writeTextFileSync(`${bin}/somebody's`, "");
      const before = Deno.statSync(`${bin}/probe`).ino;
      built(project, runtime, "probe");
      assertEquals(namesIn(bin), ["probe", "somebody's"]);
      assert(Deno.statSync(`${bin}/probe`).ino !== before);
    },
  );
}

buildTest(
  "build --runtime bun: with too little address space for Bun to call the C library, it says so",
  missing(["prlimit"]),
  (project) => {
    built(project, "bun", "probe");
    const limited = ["prlimit", "--as=1000000000", `${project.root}/dist/bin/probe`];
    const env = { PATH: Deno.env.get("PATH") ?? "", CNI_COMMAND: "ADD", CNI_CONTAINERID: "c" };
    const all = { ...env, CNI_NETNS: "/none", CNI_IFNAME: "e", CNI_PATH: "/" };
    const reply = ran(limited[0]!, limited.slice(1), { env: all, stdin: CONFIG });
    assertEquals([reply.code, reply.stderr], [1, ""]);
    assertStringIncludes(JSON.parse(reply.stdout).msg, "address space (ulimit -v)");
  },
);

buildTest(
  "build --separate: each by itself, and with Deno only as much as permissions.json permits",
  missingFor("deno"),
  (project) => {
    built(project, "deno", "--separate", "probe", "modest");
    assertEquals(namesIn(`${project.root}/dist`), ["bin"]);
    const bin = `${project.root}/dist/bin`;
    assertEquals(namesIn(bin), ["modest", "probe"]);
    const file = `${project.root}/deno.json`;
    assertEquals(ran(`${bin}/probe`, ["read", file]).stdout, Deno.readTextFileSync(file));
    const refused = ran(`${bin}/modest`, ["read", file]);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertStringIncludes(refused.stderr, "Requires read access");
    assertEquals(ran(`${bin}/modest`, ["environment"]).stdout, "{}");
  },
);

buildTest(
  "build: cnitool knows every plugin, whichever are built with it",
  missingFor("bun"),
  (project) => {
    for (const args of [["--separate"], ["probe"]]) {
      built(project, "bun", "cnitool", ...args);
      assertEquals(ran(`${project.root}/dist/bin/cnitool`, ["known"]).stdout, "modest probe\n");
    }
    assertEquals(namesIn(`${project.root}/dist/bin`), ["cnitool", "probe"]);
  },
);

buildTest("build: a base executable that cannot be had, and what to do", undefined, (project) => {
  const { code, stderr } = build(project, ["probe"], { DENORT_BIN: "/none/denort" });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "/none/denort");
  assertStringIncludes(stderr, "--runtime bun ");
  assertStringIncludes(stderr, "DENORT_BIN=");
  assertEquals(namesIn(`${project.root}/dist`), ["bin"]);
});

buildTest("build: a base executable that is none", undefined, (project) => {
  const DENORT_BIN = `${project.root}/deno.json`;
  const { code, stderr } = build(project, ["probe"], { DENORT_BIN });
  assertEquals(code, 1);
  // Deno before 2.9 takes any file; what it makes of it is looked at.
  assertMatch(stderr, /^build: .*(Not an ELF file|if DENORT_BIN is set, it must name)/m);
  assertEquals([namesIn(`${project.root}/dist`), namesIn(`${project.root}/dist/bin`)], [
    ["bin"],
    [],
  ]);
});

buildTest("build: refuses a plugin that imports from a URL, and names it", undefined, (project) => {
  const main = `${project.root}/plugins/main/probe/main.ts`;
  const url = "https://example.com/cni/mod.ts";
  Deno.writeTextFileSync(main, PROBE.replace("../../../lib/ns/netns.ts", url));
  const { code, stderr } = build(project, ["--runtime", "bun"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "plugins/main/probe/main.ts");
  assertStringIncludes(stderr, `${url} is not in the checkout`);
});

buildTest("build: a plugin has its folder's name, and permissions", undefined, (project) => {
  const folder = `${project.root}/plugins/main/probe`;
  Deno.writeTextFileSync(`${folder}/main.ts`, PROBE.replace('name: "probe"', 'name: "prob"'));
  const misnamed = build(project, ["--runtime", "bun"]);
  assertEquals(misnamed.code, 1);
  assertStringIncludes(misnamed.stderr, 'calls its plugin "prob", and its folder is probe');
  Deno.removeSync(`${folder}/permissions.json`);
  const { code, stderr } = build(project, ["--runtime", "bun"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'probe/permissions.json is missing: write "all" into it');
});

buildTest("build: names what it does not know", undefined, (project) => {
  assertStringIncludes(build(project, ["brigde"]).stderr, "there are cnitool, modest, probe");
  assertStringIncludes(build(project, ["--target", "vax"]).stderr, "x86_64-unknown-linux-gnu");
  assertStringIncludes(build(project, ["--runtime", "node"]).stderr, "must be deno or bun");
  assertStringIncludes(build(project, ["--seperate"]).stderr, "unknown option --seperate");
  assertStringIncludes(build(project, ["--target"]).stderr, "--target needs a value");
});

/** A test with a project of its own, skipped for a reason. */
function buildTest(
  name: string,
  reason: Reason | undefined,
  test: (project: ScratchProject) => void,
): void {
  if (reason) reportSkip(name, reason);
  Deno.test({
    name,
    ignore: reason !== undefined,
    fn() {
      using project = new ScratchProject(FILES);
      test(project);
    },
  });
}

function missingFor(runtime: "deno" | "bun"): Reason | undefined {
  if (runtime === "bun" || Deno.env.has("DENORT_BIN")) return undefined;
  return {
    lacks: "a base executable for deno compile",
    remedy: "DENORT_BIN=/path/to/denort deno task test",
  };
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the project's build script. */
function build(project: ScratchProject, args: string[], env: Record<string, string> = {}): Ended {
  const deno = Deno.env.get("DENO_COMPILE") ?? Deno.execPath();
  const script = `${project.root}/scripts/build.ts`;
  return output(deno, {
    args: ["run", "--allow-all", "--no-check", script, ...args],
    env: { ...env, NO_COLOR: "1", INIT_CWD: project.root },
    cwd: project.root,
  });
}

function built(project: ScratchProject, runtime: string, ...args: string[]): void {
  const { code, stderr } = build(project, ["--runtime", runtime, ...args]);
  assertEquals(code, 0, stderr);
}

/** Runs an executable with nothing but `env` as its environment. */
function ran(
  program: string,
  args: string[],
  { cwd = "/", env = {}, stdin = "" }: {
    cwd?: string;
    env?: Record<string, string>;
    stdin?: string;
  } = {},
): Ended {
  // A shell reads the input from a file: a synchronous child takes no piped input.
  const file = Deno.makeTempFileSync();
  Deno.writeTextFileSync(file, stdin);
  try {
    return output("/bin/sh", {
      args: ["-c", 'input=$1; shift; exec env -i "$@" <"$input"', "sh", file]
        .concat(Object.entries(env).map(([name, value]) => `${name}=${value}`), program, args),
      cwd,
    });
  } finally {
    Deno.removeSync(file);
  }
}

function output(program: string, options: Deno.CommandOptions): Ended {
  const { code, stdout, stderr } = new Deno.Command(program, { ...options, stdin: "null" })
    .outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
}
