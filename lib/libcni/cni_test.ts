import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { NoopPlugins } from "../../tests/support/noop_plugins.ts";
import { CniError } from "../types/error.ts";
import { encodeJson } from "../types/json.ts";
import { Cni, type CniOptions } from "./cni.ts";
import { type NetworkList, parseNetworkList, readPluginConfig } from "./conf.ts";
import type { RuntimeConf } from "./runtime_conf.ts";

const RT: RuntimeConf = {
  containerId: "c1",
  netns: "/run/netns/c1",
  ifName: "eth0",
  args: [["IgnoreUnknown", "1"], ["K", "V"]],
  capabilityArgs: { mac: "02:00:00:00:00:01" },
};

const FIRST = { cniVersion: "1.0.0", interfaces: [{ name: "eth0" }], extra: "kept" };
const SECOND = { cniVersion: "1.0.0", ips: [{ address: "10.0.0.2/24", interface: 0 }] };

/** A network of plugins a, b, …, installed, and a cache of their own. */
class Fixture extends NoopPlugins {
  readonly cacheDir = `${this.directory}/cache`;
  readonly warnings: string[] = [];

  cni(options: Partial<CniOptions> = {}): Cni {
    const { cacheDir, warnings } = this;
    return new Cni({
      path: [this.path],
      cacheDir,
      warn: (text) => warnings.push(text),
      ...options,
    });
  }

  list(fields: Record<string, unknown> = {}, types = ["a", "b"]): NetworkList {
    const plugins = types.map((type) => ({ type, capabilities: { mac: type === "a" } }));
    return parseNetworkList(encodeJson({ name: "net", cniVersion: "1.0.0", plugins, ...fields }));
  }

  /** Names in the cache, sorted. */
  cached(): string[] {
    return Array.from(Deno.readDirSync(`${this.cacheDir}/results`), ({ name }) => name).sort();
  }
}

async function errorOf(work: () => Promise<unknown>): Promise<CniError> {
  const error = await assertRejects(work);
  assertInstanceOf(error, CniError);
  return error;
}

Deno.test("addNetworkList() chains results, passes arguments, and caches the last result", async () => {
  using plugins = new Fixture("a", "b");
  plugins.reply("a", "ADD", { stdout: FIRST });
  plugins.reply("b", "ADD", { stdout: SECOND });
  const list = plugins.list();
  assertEquals(await plugins.cni().addNetworkList(list, RT), {
    ips: [{ address: "10.0.0.2/24", interface: 0 }],
  });

  assertEquals(plugins.order(), ["a ADD", "b ADD"]);
  const [a, b] = plugins.calls();
  assertEquals(a!.stdin, {
    type: "a",
    capabilities: { mac: true },
    name: "net",
    cniVersion: "1.0.0",
    runtimeConfig: { mac: "02:00:00:00:00:01" },
  });
  assertEquals(b!.stdin.prevResult, FIRST);
  assertEquals(b!.stdin.runtimeConfig, undefined);
  const { CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS, CNI_PATH } = b!.env;
  assertEquals(
    [CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS, CNI_PATH],
    ["c1", "/run/netns/c1", "eth0", "IgnoreUnknown=1;K=V", plugins.path],
  );

  assertEquals(plugins.cached(), ["net-c1-eth0"]);
  assertEquals(plugins.cni().getCachedAttachments(), [{
    network: "net",
    containerId: "c1",
    ifName: "eth0",
    config: list.text,
    netns: "/run/netns/c1",
    args: [["IgnoreUnknown", "1"], ["K", "V"]],
    capabilityArgs: { mac: "02:00:00:00:00:01" },
    result: SECOND,
  }]);
});

Deno.test("addNetworkList() gives the next plugin the result in the network's version", async () => {
  using plugins = new Fixture("a", "b");
  plugins.reply("a", "ADD", { stdout: SECOND });
  await plugins.cni().addNetworkList(plugins.list({ cniVersion: "0.4.0" }), RT);
  assertEquals(plugins.calls()[1]!.stdin.prevResult, {
    cniVersion: "0.4.0",
    ips: [{ version: "4", interface: 0, address: "10.0.0.2/24" }],
    dns: {},
  });
});

Deno.test("addNetworkList() bears a result without addresses in the oldest version", async () => {
  using plugins = new Fixture("a");
  plugins.reply("a", "ADD", { stdout: { cniVersion: "0.2.0", dns: { domain: "x" } } });
  const list = plugins.list({ cniVersion: "0.2.0" }, ["a"]);
  assertEquals(await plugins.cni().addNetworkList(list, RT), { dns: { domain: "x" } });
  assertEquals(plugins.cni().getCachedResult(list, RT), { dns: { domain: "x" } });
});

Deno.test("addNetworkList() stops at the first failure, names the plugin, and caches nothing", async () => {
  using plugins = new Fixture("a", "b", "c");
  plugins.reply("b", "ADD", { stdout: { code: 11, msg: "later", details: "why" }, exit: 1 });
  const list = plugins.list({}, ["a", "b", "c"]);
  const error = await errorOf(() => plugins.cni().addNetworkList(list, RT));
  assertEquals(error.code, 11);
  assertEquals(error.message, 'plugin type="b" failed (add): later');
  assertEquals(error.details, "why");
  assertEquals(plugins.order(), ["a ADD", "b ADD"]);
  assertEquals(plugins.cached(), []);

  plugins.reply("b", "ADD", { stdout: "{}{}" });
  const broken = await errorOf(() => plugins.cni().addNetworkList(list, RT));
  assertEquals(broken.code, 6);
  assertStringIncludes(broken.message, 'plugin type="b" failed (add)');
});

Deno.test("addNetworkList() runs nothing when a name is wrong or nothing can be cached", async () => {
  using plugins = new Fixture("a", "b");
  const codeFor = async (rt: Partial<RuntimeConf>, fields = {}, options = {}) =>
    (await errorOf(() =>
      plugins.cni(options).addNetworkList(plugins.list(fields), { ...RT, ...rt })
    )).code;
  assertEquals(await codeFor({ containerId: "" }), 3);
  assertEquals(await codeFor({ containerId: "../x" }), 4);
  assertEquals(await codeFor({ ifName: "a/b" }), 4);
  assertEquals(await codeFor({}, { name: "../x" }), 7);
  assertEquals(await codeFor({ args: [["A", "1;B=2"]] }), 4);
  assertEquals(await codeFor({}, {}, { cacheDir: "/dev/null" }), 5);
  assertEquals(plugins.order(), []);
});

Deno.test("checkNetworkList() asks every plugin with the final result, until one fails", async () => {
  using plugins = new Fixture("a", "b");
  plugins.reply("b", "ADD", { stdout: SECOND });
  const list = plugins.list();
  await plugins.cni().addNetworkList(list, RT);
  await plugins.cni().checkNetworkList(list, RT);
  const [, , a, b] = plugins.calls();
  assertEquals([a!.stdin.prevResult, b!.stdin.prevResult], [SECOND, SECOND]);
  assertEquals(a!.stdin.runtimeConfig, { mac: "02:00:00:00:00:01" });

  plugins.reply("a", "CHECK", { stdout: { code: 100, msg: "gone" }, exit: 1 });
  assertEquals((await errorOf(() => plugins.cni().checkNetworkList(list, RT))).code, 100);
  assertEquals(plugins.order().slice(2), ["a CHECK", "b CHECK", "a CHECK"]);
});

Deno.test("checkNetworkList() knows when not to ask", async () => {
  using plugins = new Fixture("a", "b");
  await plugins.cni().checkNetworkList(plugins.list({ disableCheck: true }), RT);
  const old = plugins.list({ cniVersion: "0.3.1", disableCheck: true });
  const error = await errorOf(() => plugins.cni().checkNetworkList(old, RT));
  assertEquals(error.code, 1);
  assertMatch(error.message, /^configuration version "0.3.1" does not support the CHECK command/);
  assertEquals(plugins.order(), []);
});

Deno.test("delNetworkList() goes backwards with the final result, and forgets the attachment", async () => {
  using plugins = new Fixture("a", "b");
  plugins.reply("b", "ADD", { stdout: SECOND });
  const list = plugins.list();
  await plugins.cni().addNetworkList(list, RT);
  await plugins.cni().delNetworkList(list, RT);
  assertEquals(plugins.order().slice(2), ["b DEL", "a DEL"]);
  for (const { stdin } of plugins.calls().slice(2)) assertEquals(stdin.prevResult, SECOND);
  assertEquals(plugins.cached(), []);

  await plugins.cni().delNetworkList(list, { ...RT, netns: "" });
  const again = plugins.calls().slice(4);
  assertEquals(again.map(({ stdin }) => stdin.prevResult), [undefined, undefined]);
  assertEquals(again[0]!.env.CNI_NETNS, "");
});

Deno.test("delNetworkList() stops at a failure and keeps what is cached", async () => {
  using plugins = new Fixture("a", "b");
  const list = plugins.list();
  await plugins.cni().addNetworkList(list, RT);
  plugins.reply("b", "DEL", { stdout: { code: 5, msg: "no" }, exit: 1 });
  const error = await errorOf(() => plugins.cni().delNetworkList(list, RT));
  assertEquals([error.code, error.message], [5, 'plugin type="b" failed (delete): no']);
  assertEquals(plugins.order().slice(2), ["b DEL"]);
  assertEquals(plugins.cached(), ["net-c1-eth0"]);

  Deno.removeSync(`${plugins.path}/b`);
  assertEquals((await errorOf(() => plugins.cni().delNetworkList(list, RT))).code, 7);
});

Deno.test("delNetworkList() does without a cached result that is broken, or of an unknown version", async () => {
  using plugins = new Fixture("a");
  const file = `${plugins.cacheDir}/results/net-c1-eth0`;
  for (const cniVersion of ["1.0.0", "1.2.3"]) {
    await plugins.cni().addNetworkList(plugins.list({}, ["a"]), RT);
    if (cniVersion === "1.0.0") Deno.writeTextFileSync(file, '{"cniVersion": "9.9.9"}');
    await plugins.cni().delNetworkList(plugins.list({ cniVersion }, ["a"]), RT);
    assertEquals(plugins.calls().at(-1)!.stdin.prevResult, undefined);
    assertEquals(plugins.cached(), []);
  }
  assertEquals(plugins.warnings.length, 2);
  assertStringIncludes(plugins.warnings[0]!, '"9.9.9"');

  Deno.writeTextFileSync(file, "{");
  plugins.reply("a", "DEL", { exit: 1 });
  await errorOf(() => plugins.cni().delNetworkList(plugins.list({}, ["a"]), RT));
  assertEquals(plugins.cached(), ["net-c1-eth0"], "for the next try");
  assertStringIncludes(plugins.warnings.at(-1)!, `passing over ${file}`);
  plugins.reply("a", "DEL", { stdout: {} });
  await plugins.cni().delNetworkList(plugins.list({}, ["a"]), RT);
  assertEquals(plugins.cached(), []);
});

Deno.test("delNetworkList() gives no previous result before 0.4.0", async () => {
  using plugins = new Fixture("a");
  const list = plugins.list({ cniVersion: "0.3.1" }, ["a"]);
  await plugins.cni().addNetworkList(list, RT);
  await plugins.cni().delNetworkList(list, RT);
  assertEquals(plugins.calls().at(-1)!.stdin.prevResult, undefined);
  assertEquals(plugins.cached(), []);
});

Deno.test("statusNetworkList() asks in order, keeps the code, and has one for a missing plugin", async () => {
  using plugins = new Fixture("a", "b");
  const list = plugins.list({ cniVersion: "1.1.0" });
  await plugins.cni().statusNetworkList(plugins.list());
  assertEquals(plugins.order(), []);
  await plugins.cni().statusNetworkList(list);
  assertEquals(plugins.order(), ["a STATUS", "b STATUS"]);
  assertEquals(plugins.calls()[0]!.env.CNI_CONTAINERID, "");

  plugins.reply("a", "STATUS", { stdout: { code: 51, msg: "down" }, exit: 1 });
  assertEquals((await errorOf(() => plugins.cni().statusNetworkList(list))).code, 51);
  Deno.removeSync(`${plugins.path}/a`);
  assertEquals((await errorOf(() => plugins.cni().statusNetworkList(list))).code, 50);
});

Deno.test("gcNetworkList() deletes what is not valid, of this network only, then calls GC", async () => {
  using plugins = new Fixture("a", "b");
  const list = plugins.list({ cniVersion: "1.1.0" });
  const other = plugins.list({ name: "other" }, ["a"]);
  for (const containerId of ["c1", "c2"]) {
    for (const ifName of ["eth0", "eth1"]) {
      await plugins.cni().addNetworkList(list, { ...RT, containerId, ifName });
    }
  }
  await plugins.cni().addNetworkList(other, { ...RT, containerId: "c3" });
  const before = plugins.calls().length;
  const valid = [
    { network: "net", containerId: "c1", ifName: "eth0" },
    { network: "net", containerId: "c2", ifName: "eth1" },
    { network: "other", containerId: "c2", ifName: "eth0" },
  ];
  await plugins.cni().gcNetworkList(list, valid);

  const calls = plugins.calls().slice(before);
  assertEquals(
    calls.map(({ plugin, env }) =>
      [plugin, env.CNI_COMMAND, env.CNI_CONTAINERID, env.CNI_IFNAME].join(" ")
    ),
    ["b DEL c1 eth1", "a DEL c1 eth1", "b DEL c2 eth0", "a DEL c2 eth0", "a GC  ", "b GC  "],
  );
  assertEquals(calls[0]!.env.CNI_NETNS, RT.netns);
  assertEquals(calls[0]!.env.CNI_ARGS, "IgnoreUnknown=1;K=V");
  assertEquals(calls[1]!.stdin.runtimeConfig, RT.capabilityArgs);
  const told = [{ containerID: "c1", ifname: "eth0" }, { containerID: "c2", ifname: "eth1" }];
  assertEquals(calls[4]!.stdin["cni.dev/valid-attachments"], told);
  assertEquals(calls[4]!.stdin["cni.dev/attachments"], told);
  assertEquals(calls[4]!.stdin.prevResult, undefined);
  assertEquals(plugins.cached(), ["net-c1-eth0", "net-c2-eth1", "other-c3-eth0"]);
});

Deno.test("gcNetworkList() deletes by the plugins that the attachment was made by", async () => {
  using plugins = new Fixture("a", "b");
  await plugins.cni().addNetworkList(plugins.list({ cniVersion: "1.1.0" }), RT);
  await plugins.cni().gcNetworkList(plugins.list({ cniVersion: "1.1.0" }, ["a"]), []);
  assertEquals(plugins.order().slice(2), ["b DEL", "a DEL", "a GC"]);
});

Deno.test("gcNetworkList() does nothing where a valid attachment is not wholly named", async () => {
  using plugins = new Fixture("a");
  const list = plugins.list({ cniVersion: "1.1.0" }, ["a"]);
  await plugins.cni().addNetworkList(list, RT);
  const whole = { network: "net", containerId: "c1", ifName: "eth0" };
  for (const part of [{ network: "" }, { containerId: "" }, { ifName: "" }, { ifName: "a/b" }]) {
    const valid = [whole, { ...whole, ...part }];
    const error = await errorOf(() => plugins.cni().gcNetworkList(list, valid));
    assertEquals(error.code, 7);
    assertMatch(error.message, /^valid attachment 2: /);
  }
  assertEquals(plugins.order(), ["a ADD"]);
});

Deno.test("gcNetworkList() goes on after failures, and reports every one", async () => {
  using plugins = new Fixture("a", "b");
  const list = plugins.list({ cniVersion: "1.1.0" });
  await plugins.cni().addNetworkList(list, RT);
  await plugins.cni().addNetworkList(list, { ...RT, ifName: "eth1" });
  plugins.reply("b", "DEL", { stdout: { code: 5, msg: "no" }, exit: 1 });
  plugins.reply("a", "GC", { stdout: { code: 6, msg: "huh" }, exit: 1 });
  const error = await errorOf(() => plugins.cni().gcNetworkList(list, []));
  assertEquals(error.code, 999);
  assertEquals(error.message.split("\n"), [
    'failed to delete stale attachment c1 eth0: plugin type="b" failed (delete): no',
    'failed to delete stale attachment c1 eth1: plugin type="b" failed (delete): no',
    'plugin type="a" failed (gc): huh',
  ]);
  assertEquals(plugins.order().slice(4), ["b DEL", "b DEL", "a GC", "b GC"]);
  assertEquals(plugins.cached().length, 2);
});

Deno.test("gcNetworkList() before 1.1.0 only deletes, and with disableGC does nothing", async () => {
  using plugins = new Fixture("a");
  await plugins.cni().addNetworkList(plugins.list({}, ["a"]), RT);
  await plugins.cni().gcNetworkList(plugins.list({ disableGC: true }, ["a"]), []);
  assertEquals(plugins.order(), ["a ADD"]);
  await plugins.cni().gcNetworkList(plugins.list({}, ["a"]), []);
  assertEquals(plugins.order(), ["a ADD", "a DEL"]);
});

Deno.test("validateNetworkList() finds plugins and versions that are missing, and lists capabilities", async () => {
  using plugins = new Fixture("a", "b");
  assertEquals(await plugins.cni().validateNetworkList(plugins.list()), ["mac"]);
  plugins.reply("a", "VERSION", {
    stdout: { cniVersion: "0.4.0", supportedVersions: ["0.3.1", "0.4.0"] },
  });
  const error = await errorOf(() =>
    plugins.cni().validateNetworkList(plugins.list({}, ["a", "missing"]))
  );
  const [version, missing] = error.message.split("\n");
  assertEquals(version, 'plugin a does not support config version "1.0.0", but 0.3.1, 0.4.0');
  assertMatch(missing!, /^failed to find plugin "missing"/);
});

Deno.test("single plugins are added, checked and deleted like a list of one", async () => {
  using plugins = new Fixture("a");
  plugins.reply("a", "ADD", { stdout: SECOND });
  const plugin = readPluginConfig({ type: "a", name: "net", cniVersion: "1.0.0", key: [1] });
  const cni = plugins.cni();
  await cni.addNetwork(plugin, RT);
  assertEquals(cni.getCachedConfig(plugin, { ...RT, args: [], capabilityArgs: {} }), {
    config: '{"type":"a","name":"net","cniVersion":"1.0.0","key":[1]}',
    rt: { ...RT },
  });
  await cni.checkNetwork(plugin, RT);
  await cni.delNetwork(plugin, RT);
  assertEquals(plugins.order(), ["a ADD", "a CHECK", "a DEL"]);
  assertEquals(plugins.calls()[2]!.stdin.prevResult, SECOND);
  assertEquals(plugins.calls()[0]!.stdin.key, [1]);
  assertEquals(cni.getCachedConfig(plugin, RT), undefined);
  const nameless = readPluginConfig({ type: "a" });
  assertEquals((await errorOf(() => cni.addNetwork(nameless, RT))).code, 7);
});

Deno.test("Cni tells what it runs, and kills what takes too long", async () => {
  using plugins = new Fixture("a", "b");
  plugins.reply("b", "ADD", { script: "exec sleep 60" });
  const seen: string[] = [];
  const cni = plugins.cni({
    timeoutMs: 3000,
    onPlugin: (command, plugin) => seen.push(`${command} ${plugin}`),
  });
  const error = await errorOf(() => cni.addNetworkList(plugins.list(), RT));
  assertMatch(error.message, /^plugin type="b" failed \(add\): .*did not finish within 3000 ms/);
  assertEquals(seen, ["ADD a", "ADD b"]);
  assert(plugins.cached().length === 0);
});
