/**
 * What is there to be copied works: the plugin, and the networks.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { loadNetworkFile } from "../lib/libcni/load.ts";
import type { Plugin } from "../lib/skel/plugin.ts";
import { readOptions } from "../lib/types/options.ts";
import { fromFileUrl } from "./support/paths.ts";
import { reservations } from "./support/network.ts";
import { outputWithInput } from "./support/plugins.ts";
import { kernelTest, type Sandbox } from "./support/sandbox.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const GROUP = { group: 42, prevResult: { dns: { domain: "example.com" } } };

kernelTest("the plugin to copy: ADD sets the group, CHECK looks, DEL takes it back", (sandbox) => {
  using netns = containerWithInterface(sandbox);
  const groupOf = () => sandbox.ip("link show dev eth0", netns)[0].group;
  const call = (command: string, config: object = GROUP) => linkGroup(command, netns.path, config);
  assertEquals(call("ADD"), { cniVersion: "1.1.0", ...GROUP.prevResult });
  assertEquals(groupOf(), "42");
  assertEquals(call("CHECK"), undefined);
  sandbox.run("ip", ["link", "set", "eth0", "group", "7"], { netns });
  assertEquals(call("CHECK"), {
    cniVersion: "1.1.0",
    code: 999,
    msg: "eth0 is in group 7, and should be in 42",
  });
  assertEquals([call("DEL"), groupOf()], [undefined, "default"]);
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  assertEquals([call("DEL"), linkGroup("DEL", "/none", GROUP)], [undefined, undefined]);
});

kernelTest("the plugin to copy: what a failing ADD did is undone", (sandbox) => {
  using netns = containerWithInterface(sandbox);
  sandbox.run("ip", ["link", "set", "eth0", "group", "7"], { netns });
  // The result is refused after the work is done: 0.2.0 has none without an address.
  const prevResult = { cniVersion: "1.1.0", ...GROUP.prevResult };
  const old = { ...GROUP, cniVersion: "0.2.0", prevResult };
  assertEquals(linkGroup("ADD", netns.path, old).code, 7);
  assertEquals(sandbox.ip("link show dev eth0", netns)[0].group, "7");
});

kernelTest("the plugin to copy: says what is wrong, and answers STATUS and GC", (sandbox) => {
  using netns = containerWithInterface(sandbox);
  const refused = (config: object) => {
    const { code, msg } = linkGroup("ADD", netns.path, config);
    assertEquals(code, 7);
    return msg;
  };
  assertStringIncludes(refused({ group: 42 }), "must be called as chained plugin");
  assertStringIncludes(refused({ ...GROUP, group: 0 }), '"group" is 0 (a number), but must be');
  assertEquals([
    linkGroup("STATUS", "", GROUP),
    linkGroup("GC", "", { ...GROUP, "cni.dev/valid-attachments": [] }),
  ], [
    undefined,
    undefined,
  ]);
  assert(linkGroup("VERSION", "", {}).supportedVersions.includes("1.1.0"));
});

kernelTest(
  "the plugin to copy: its own test passes, and fails where the plugin does nothing",
  (sandbox) => {
    const run = (file: string) =>
      sandbox.try(Deno.execPath(), ["test", "-A", "--no-check", "--no-lock", file]);
    const passing = run(`${ROOT}/examples/plugin/main_test.ts`);
    assertEquals([passing.code, passing.stderr], [0, ""]);
    assertStringIncludes(passing.stdout, "3 passed | 0 failed");

    const copy = (name: string, change: (text: string) => string) => {
      const text = Deno.readTextFileSync(`${ROOT}/examples/plugin/${name}`);
      const changed = change(text).replaceAll(/"\.\.\/\.\.\/(\w+\.ts)"/g, `"file://${ROOT}/$1"`);
      Deno.writeTextFileSync(`${sandbox.directory}/${name}`, changed);
    };
    copy(
      "main.ts",
      (text) => text.replaceAll(/inside\.link\.set\(\w+, \{ group \}\)/g, "undefined"),
    );
    copy("main_test.ts", (text) => text);
    const failing = run(`${sandbox.directory}/main_test.ts`);
    assertEquals(failing.code, 1);
    assertStringIncludes(failing.stdout, "2 passed | 1 failed");
  },
);

kernelTest("the runtime in a page attaches and detaches, with no plugin installed", (sandbox) => {
  using netns = sandbox.container();
  const run = (command: string) =>
    sandbox.run(Deno.execPath(), [
      ...["run", "-qA", "--no-check", `${ROOT}/examples/in-process.ts`],
      ...[command, "c1", netns.path],
    ]);
  assertEquals(run("add"), "10.88.0.2/16\n");
  const [eth0] = sandbox.ip("address show dev eth0", netns);
  assertEquals(eth0.addr_info[0].local, "10.88.0.2");
  assertEquals(sandbox.ip("-4 route show default", netns)[0].gateway, "10.88.0.1");
  run("del");
  assertEquals(sandbox.links(netns), []);
  assertEquals(reservations("example"), []);
});

Deno.test("the networks to start from load, with names of their own", () => {
  const names = networks().map((file) => loadNetworkFile(file).name);
  assertEquals(names.length >= 5, true);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("the networks to start from name plugins that are here, with options they take", async () => {
  const plugins = await readPlugins();
  const overview = Deno.readTextFileSync(`${ROOT}/plugins/README.md`);
  for (const file of networks()) {
    const { plugins: parts } = loadNetworkFile(file);
    for (const { type, json } of parts) {
      const { type: ipam = type } = (json.ipam ?? {}) as { type?: string };
      for (const name of new Set([type, ipam])) {
        assertStringIncludes(overview, `[${name}](`);
        const options = plugins.get(name)?.options;
        if (options) readOptions(await options(), json, name);
      }
    }
  }
});

function containerWithInterface(sandbox: Sandbox) {
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  return netns;
}

/** Calls the plugin; returns what it printed, parsed. */
// deno-lint-ignore no-explicit-any -- results are asserted on in parts
function linkGroup(command: string, netns: string, config: object): any {
  const stdin = { cniVersion: "1.1.0", name: "test", type: "link-group", ...config };
  const { stdout } = outputWithInput(Deno.execPath(), JSON.stringify(stdin), {
    ...Deno.env.toObject(),
    CNI_COMMAND: command,
    CNI_CONTAINERID: "test",
    CNI_IFNAME: "eth0",
    CNI_NETNS: netns,
    CNI_PATH: "/none",
  }, ["run", "-qA", "--no-check", `${ROOT}/examples/plugin/main.ts`]);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

function networks(): string[] {
  return Array.from(Deno.readDirSync(`${ROOT}/examples`), ({ name }) => `${ROOT}/examples/${name}`)
    .filter((path) => path.endsWith(".conflist"));
}

/** Every plugin of this tree, by name. */
async function readPlugins(): Promise<Map<string, Plugin>> {
  const plugins = new Map<string, Plugin>();
  for (const kind of ["main", "ipam", "meta"]) {
    for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}/plugins/${kind}`)) {
      if (!isDirectory) continue;
      plugins.set(name, (await import(`../plugins/${kind}/${name}/main.ts`)).default);
    }
  }
  return plugins;
}
