/**
 * A plugin that somebody else wrote, in a directory of its own: built with `build --plugin`, and by
 * a Bun author from the npm package. What comes out is called as a runtime calls it.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import ts from "npm:typescript@5.9.3";
import { dirname } from "../../lib/deps/path.ts";
import { buildPackage } from "../../scripts/build/build_package.ts";
import { type Bundle, bundle, stopBundler } from "../../scripts/build/bundle.ts";
import { findBun } from "../../scripts/build/find_bun.ts";
import { ModuleGraph } from "../../scripts/build/module_graph.ts";
import { ROOT } from "../../scripts/support/root.ts";
import { tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { TreeServer } from "../support/tree_server.ts";

/** The example, with what it imports from elsewhere. */
function exampleFrom(library: (part: string) => string): string {
  return Deno.readTextFileSync(`${ROOT}/examples/plugin/main.ts`)
    .replaceAll(/"\.\.\/\.\.\/(\w+)\.ts"/g, (_, part) => JSON.stringify(library(part)));
}

/** A directory of the author's, with a space in its name. */
class Author implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "cni author-" });

  constructor(files: Readonly<Record<string, string>>) {
    for (const [name, text] of Object.entries(files)) {
      Deno.mkdirSync(dirname(`${this.path}/${name}`), { recursive: true });
      Deno.writeTextFileSync(`${this.path}/${name}`, text);
    }
  }

  async run(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: this.path,
      env: { NO_COLOR: "1", INIT_CWD: this.path, ...env },
      stdin: "null",
    }).output();
    const [said, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (!success) throw new Error(`${program} ${args.join(" ")}: ${complained}${said}`);
    return said!;
  }

  /** Runs the build script. */
  async build(...args: string[]): Promise<void> {
    await this.run(Deno.execPath(), [
      "run",
      "-A",
      "--no-check",
      `${ROOT}/scripts/build.ts`,
      ...args,
    ]);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Calls the executable as a runtime does: it puts an interface into a group. */
function worksFrom(bin: string, sandbox: Sandbox): void {
  using netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  const prevResult = { cniVersion: "1.1.0", interfaces: [{ name: "eth0", sandbox: netns.path }] };
  const call = (command: "ADD" | "DEL", config: object) =>
    tryPlugin(sandbox, {
      command,
      config: { cniVersion: "1.1.0", name: "n", type: "link-group", ...config },
      netns,
      bin,
    });
  const group = () => sandbox.ip("link show dev eth0", netns)[0].group;
  const added = call("ADD", { group: 42, prevResult });
  assertEquals([added.code, added.stderr, added.json, group()], [0, "", prevResult, "42"]);
  assertStringIncludes(call("ADD", { group: 0, prevResult }).json.msg, '"group" is 0 (a number)');
  assertEquals([call("DEL", {}).code, group()], [0, "default"]);
}

kernelTest("build --plugin: the example, with imports that its deno.json maps", async (sandbox) => {
  using author = new Author({
    "main.ts": exampleFrom((part) => `cni/${part}.ts`),
    "deno.json": JSON.stringify({ imports: { "cni/": `file://${ROOT}/` } }),
  });
  await author.build("--plugin", "main.ts", "--runtime", "bun", "--out", "out");
  worksFrom(`${author.path}/out/bin`, sandbox);
});

kernelTest(
  "the npm package: bun adds it, compiles the example with it, and types are there",
  async (sandbox) => {
    using author = new Author({
      "main.ts": exampleFrom((part) => `@cni/cni/${part}`).replace("import.meta.main", "true"),
      "all.ts": `
      import { type Cni as OfAll, loadNetworks as all, NetNs } from "@cni/cni";
      import { type Cni, loadNetworks } from "@cni/cni/runtime";
      export const same: typeof loadNetworks = all;
      export const cni = (value: OfAll): Cni => value;
      export const wrong: string = NetNs;
    `,
      "in-process.ts": `
      import { Cni, parseNetworkList } from "@cni/cni";
      import hostLocal from "@cni/cni/plugins/host-local";
      import ptp from "@cni/cni/plugins/ptp";
      const cni = new Cni({ plugins: [ptp, hostLocal] });
      const ipam = { type: "host-local", subnet: "10.1.0.0/24" };
      const network = parseNetworkList(
        JSON.stringify({ cniVersion: "1.1.0", name: "n", plugins: [{ type: "ptp", ipam }] }),
      );
      const attachment = { containerId: "c", netns: "/var/run/netns/bun", ifName: "eth0" };
      const { ips } = await cni.addNetworkList(network, attachment);
      console.log(ips?.[0]?.address);
    `,
      ...pinnedPlugin((part) => `@cni/cni/${part}`),
      "package.json": JSON.stringify({ name: "author", type: "module" }),
    });
    await buildPackage(ROOT, `${author.path}/package`);
    assertEquals(loadsZod(`${author.path}/package`, "schema.js"), true);
    assertEquals(loadsZod(`${author.path}/package`, "plugin.js"), false);
    const bun = (await findBun()).path;
    await author.run(bun, ["add", `file:${author.path}/package`], { HOME: author.path });
    await author.run(bun, ["build", "--compile", "--outfile=bin/link-group", "main.ts"]);
    worksFrom(`${author.path}/bin`, sandbox);

    // Plugins as functions of the author's own program.
    using netns = sandbox.container("bun");
    assertEquals(sandbox.run(bun, [`${author.path}/in-process.ts`]), "10.1.0.2/24\n");
    assertEquals(sandbox.links(netns), ["eth0"]);

    const files = ["main.ts", "all.ts", "in-process.ts"].map((name) => `${author.path}/${name}`);
    assertEquals(typeErrors(files), ["Type 'typeof NetNs' is not assignable to type 'string'."]);

    // Built by our script it is bundled the same way, from node_modules.
    await author.build("--plugin", ".", "--runtime", "bun", "--out", "out");
    worksFrom(`${author.path}/out/bin`, sandbox);

    // So are Workers, the package's own among them, which is a module beside the one that starts it.
    await author.build("--plugin", "pinned.ts", "--runtime", "bun", "--out", "out");
    const { main } = await bundleOf(author, "pinned.ts");
    for (const command of [[`${author.path}/out/bin/pinned`], [...DENO, main]]) {
      assertEquals(await workerOf(author, command), "lo", command[0]);
    }
  },
);

/** Whether a module of the package imports zod, be it over others. */
function loadsZod(directory: string, module: string): boolean {
  const modules = new Set([module]);
  for (const path of modules) {
    const text = Deno.readTextFileSync(`${directory}/${path}`);
    if (text.includes("ZodMiniType")) return true;
    for (const [, next] of text.matchAll(/^(?:import|export)\b[^;]*?"\.\/([^"]+)";$/gm)) {
      modules.add(next!);
    }
  }
  return false;
}

function typeErrors(files: string[]): string[] {
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
    types: [],
  });
  return ts.getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

/**
 * A plugin whose STATUS is an error with the name that a pinned Worker finds for interface 1: `lo`.
 * @param main the specifier with which its entry point, `pinned.ts`, imports a part of the library
 * @param inner that of the Worker's module; the same when absent
 */
function pinnedPlugin(
  main: (part: string) => string,
  inner: (part: string) => string = main,
): Record<string, string> {
  return {
    "pinned.ts": `
      import { startPinnedWorker, NetNs } from "${main("netns")}";
      import { definePlugin, runPlugin } from "${main("plugin")}";
      const plugin = definePlugin({
        name: "pinned",
        async status() {
          using netns = NetNs.current();
          const worker = await startPinnedWorker(netns, new URL("./inner.ts", import.meta.url));
          const { promise, resolve } = Promise.withResolvers<MessageEvent<string>>();
          worker.onmessage = resolve;
          worker.postMessage(1);
          const { data } = await promise;
          worker.terminate();
          console.log("nor this");
          throw new Error(data);
        },
        add: () => ({}), del() {}, check() {}, gc() {},
      });
      if (import.meta.main) await runPlugin(plugin);
    `,
    "inner.ts": `
      import { Rtnl } from "${inner("netlink")}";
      import { NetNs } from "${inner("netns")}";
      console.log("not in the result");
      globalThis.onmessage = ({ data }) => {
        using netns = NetNs.current();
        using rtnl = Rtnl.open(netns);
        postMessage(rtnl.link.list().find(({ index }) => index === data).name);
      };
    `,
  };
}

/** How Deno runs a bundle, which needs nothing from elsewhere. */
const DENO = [Deno.execPath(), "run", "-qA", "--no-config", "--cached-only"];

/** Bundles an author's plugin for either runtime, as `build --plugin` does before it compiles. */
async function bundleOf(author: Author, entry: string): Promise<Bundle> {
  const main = `${author.path}/${entry}`;
  const graph = new ModuleGraph(author.path);
  try {
    await graph.add(new URL(`file://${main}`).href);
    return await bundle({
      root: ROOT,
      version: "1.2.3",
      plugins: [],
      entry: `import ${JSON.stringify(main)};`,
      directory: `${author.path}/bundle`,
      outside: { main, graph },
    });
  } finally {
    await stopBundler();
  }
}

/** Calls STATUS of {@link pinnedPlugin}, and returns what the Worker answered. */
async function workerOf(author: Author, command: readonly string[]): Promise<string> {
  const config = JSON.stringify({ cniVersion: "1.1.0", name: "n", type: "pinned" });
  Deno.writeTextFileSync(`${author.path}/config`, config);
  const said = await author.run("sh", ["-c", '"$@" <config; test $? = 1', "sh", ...command], {
    CNI_COMMAND: "STATUS",
    CNI_PATH: "/",
  });
  return JSON.parse(said).msg;
}

Deno.test("build --plugin: of a library at a URL, a plugin without options has no zod, and its Workers run", async () => {
  using server = await TreeServer.start();
  using author = new Author(pinnedPlugin((part) => `${server.url}${part}.ts`));
  const { main, metafile } = await bundleOf(author, "pinned.ts");
  const sources = Object.keys(metafile.inputs);
  assert(sources.some((path) => path.includes("lib/skel/run_plugin.ts")), `only ${sources}`);
  assertEquals(sources.filter((path) => path.includes("zod")), []);
  assertEquals(await workerOf(author, [...DENO, main]), "lo");
});

Deno.test("build --plugin: a Worker's module imports as the entry point does, by file URLs and by names of deno.json", async () => {
  using author = new Author({
    ...pinnedPlugin(
      (part) => `file://${ROOT}/${part}.ts`,
      (part) => part === "netns" ? `file://${ROOT}/netns.ts` : `cni/${part}.ts`,
    ),
    "deno.json": JSON.stringify({ imports: { "cni/": `file://${ROOT}/` } }),
  });
  const { main } = await bundleOf(author, "pinned.ts");
  for (const command of [[...DENO, main], [(await findBun()).path, main]]) {
    assertEquals(await workerOf(author, command), "lo", command[0]);
  }
});

Deno.test("build --plugin: of the modules that a package loads by their URL, those that it has are bundled", async () => {
  using author = new Author({
    "main.ts": 'import { load, gone } from "minified"; console.log(await load(), gone.href);',
    "node_modules/minified/index.js": `
      export const load=async()=>(await import(new URL('./there.mjs',import.meta.url).href)).default;
      export const gone=new URL("./gone.js",import.meta.url);
    `,
    "node_modules/minified/there.mjs": 'export { default } from "needed";',
    "node_modules/needed/index.js": 'export default "there"',
  });
  const { main } = await bundleOf(author, "main.ts");
  const [run = "", ...args] = [...DENO, main];
  assertEquals(await author.run(run, args), `there ${new URL("gone.js", `file://${main}`)}\n`);
});
