import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { NoopPlugins } from "../../tests/support/noop_plugins.ts";
import { delegateAdd } from "../invoke/delegate.ts";
import { callerEnv } from "../runtime/caller.ts";
import { type AnyPlugin, definePlugin } from "../skel/plugin.ts";
import { CniError } from "../types/error.ts";
import { Cni } from "./cni.ts";
import { type NetworkList, parseNetworkList } from "./conf.ts";

/** Makes a plugin whose ADD is `add`, and whose other commands do nothing. */
function plugin(name: string, add: AnyPlugin["add"], more: Partial<AnyPlugin> = {}): AnyPlugin {
  const nothing = () => {};
  return definePlugin({
    name,
    add,
    del: nothing,
    check: nothing,
    status: nothing,
    gc: nothing,
    ...more,
  });
}

function listOf(...plugins: object[]): NetworkList {
  return parseNetworkList(JSON.stringify({ cniVersion: "1.1.0", name: "net", plugins }));
}

const attachment = (containerId: string) => ({
  containerId,
  netns: "/proc/self/ns/net-of-nobody",
  ifName: "eth0",
});

const ips = [{ address: "10.0.0.2/24" }];

Deno.test("a plugin that is given is a function, what it delegates to as well, and others are executed", async () => {
  using noop = new NoopPlugins("last");
  const outer = plugin(
    "outer",
    async ({ raw, env }) => ({
      ...await delegateAdd("inner", { stdin: JSON.stringify(raw), env }),
    }),
  );
  const inner = plugin("inner", () => ({ ips }), { versions: ["1.0.0", "1.1.0"] });
  const seen: string[] = [];
  const cni = new Cni({
    path: [noop.path],
    plugins: [outer, inner],
    cacheDir: noop.directory,
    onPlugin: (command, name) => seen.push(`${command} ${name}`),
  });
  const list = listOf({ type: "outer" }, { type: "last" });
  await cni.addNetworkList(list, attachment("c1"));
  assertEquals(noop.order(), ["last ADD"]);
  assertEquals(noop.calls()[0]!.stdin.prevResult.ips, ips);
  await cni.delNetworkList(list, attachment("c1"));
  assertEquals(await cni.getVersionInfo("inner"), ["1.0.0", "1.1.0"]);
  assertEquals(seen, ["ADD outer", "ADD last", "DEL last", "DEL outer", "VERSION inner"]);
  const missing = await assertRejects(() => cni.getVersionInfo("nowhere"), CniError);
  assertEquals(missing.code, 7);
});

Deno.test("without a path others are looked for in /opt/cni/bin", async () => {
  const cacheDir = Deno.makeTempDirSync();
  const cni = new Cni({ plugins: [plugin("given", () => ({ ips }))], cacheDir });
  assertEquals((await cni.addNetworkList(listOf({ type: "given" }), attachment("c1"))).ips, ips);
  const other = listOf({ type: "of-nobody" });
  const error = await assertRejects(() => cni.addNetworkList(other, attachment("c1")), CniError);
  assertEquals(error.code, 7);
  assertStringIncludes(error.message, "in path [/opt/cni/bin]");
  Deno.removeSync(cacheDir, { recursive: true });
  assertThrows(
    () => new Cni({ plugins: [plugin("a", () => ({})), plugin("a", () => ({}))] }),
    TypeError,
    "two plugins are named a",
  );
});

Deno.test("each call in process has its own environment, and a failure is an error like a process's", async () => {
  const cacheDir = Deno.makeTempDirSync();
  const { promise: both, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  const slow = plugin("slow", async ({ containerId }) => {
    if (++begun === 2) resolve();
    await both;
    if (containerId === "bad") throw CniError.tryAgainLater("not now");
    return { dns: { domain: callerEnv("CNI_CONTAINERID") } };
  });
  const cni = new Cni({ plugins: [slow], cacheDir });
  const list = listOf({ type: "slow", name: "own" });
  const good = cni.addNetworkList(list, attachment("good"));
  const error = await assertRejects(() => cni.addNetworkList(list, attachment("bad")), CniError);
  assertEquals(error.code, 11);
  assertMatch(error.message, /^plugin type="slow" .*failed \(add\): not now$/);
  assertEquals((await good).dns?.domain, "good");
  Deno.removeSync(cacheDir, { recursive: true });
});

Deno.test("an ADD that is aborted, or late, is undone before the error comes", async () => {
  for (const how of ["abort", "deadline"]) {
    const made = new Set<string>();
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const stuck = plugin("stuck", async ({ undo }) => {
      await undo.step("a mark", () => void made.add("mark"), () => void made.delete("mark"));
      resolve();
      await undo.step("what waits", () => new Promise((end) => setTimeout(end, 50)), () => {});
      await undo.step("a second mark", () => void made.add("second"), () => {});
      return {};
    });
    const controller = new AbortController();
    const options = how === "abort" ? { abort: controller.signal } : { timeoutMs: 10 };
    const cni = new Cni({ plugins: [stuck], ...options });
    const adding = cni.addNetworkList(listOf({ type: "stuck" }), attachment("c1"));
    await begun;
    assert(made.has("mark"));
    controller.abort(new Error("the user left"));
    const error = await assertRejects(() => adding, CniError);
    const why = how === "abort" ? "was interrupted (the user left)" : "did not finish within 10 ms";
    assertStringIncludes(error.message, `plugin "stuck" ${why}`);
    assertEquals([...made], []);
  }
});
