import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NoopPlugins } from "../../tests/support/noop_plugins.ts";
import { CniError } from "../types/error.ts";
import { delegateAdd, delegateCheck, delegateDel, delegateGc, delegateStatus } from "./delegate.ts";

const STDIN = '{"CniVersion": "0.4.0", "name": "net", "ipam": {"type": "a"}}';

function envFor(plugins: NoopPlugins): Record<string, string> {
  return {
    PATH: "/usr/bin:/bin",
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "c1",
    CNI_IFNAME: "eth0",
    CNI_PATH: `/no/such:${plugins.path}`,
  };
}

Deno.test("delegateAdd() passes everything on, and reads the result in the configuration's version", async () => {
  using plugins = new NoopPlugins("a");
  plugins.reply("a", "ADD", { stdout: { ips: [{ version: "4", address: "10.0.0.2/24" }] } });
  const env: Record<string, string> = { ...envFor(plugins), CNI_COMMAND: "CHECK" };
  const result = await delegateAdd("a", { stdin: STDIN, env });
  assertEquals(result, { ips: [{ address: "10.0.0.2/24" }] });
  const [call] = plugins.calls();
  assertEquals(call!.text, STDIN);
  assertEquals(call!.env.CNI_COMMAND, "ADD");
  assertEquals([call!.env.CNI_CONTAINERID, call!.env.CNI_PATH], ["c1", env.CNI_PATH]);
});

Deno.test("delegateAdd() reads a result by the version that it states", async () => {
  using plugins = new NoopPlugins("a");
  const ip4 = { ip: "10.0.0.2/24", routes: [{ dst: "0.0.0.0/0" }] };
  plugins.reply("a", "ADD", { stdout: { cniVersion: "0.2.0", ip4 } });
  assertEquals(await delegateAdd("a", { stdin: STDIN, env: envFor(plugins) }), {
    ips: [{ address: "10.0.0.2/24" }],
    routes: [{ dst: "0.0.0.0/0" }],
  });
  plugins.reply("a", "ADD", { stdout: "not JSON" });
  const call = () => delegateAdd("a", { stdin: STDIN, env: envFor(plugins) });
  assertEquals((await assertRejects(call, CniError)).code, 6);
});

Deno.test("the other delegations call their command", async () => {
  using plugins = new NoopPlugins("a");
  const request = { stdin: STDIN, env: envFor(plugins) };
  for (const delegate of [delegateCheck, delegateDel, delegateStatus, delegateGc]) {
    await delegate("a", request);
  }
  assertEquals(plugins.order(), ["a CHECK", "a DEL", "a STATUS", "a GC"]);
});

Deno.test("delegation without the plugin, or without CNI_PATH, says what to do", async () => {
  using plugins = new NoopPlugins();
  const request = { stdin: STDIN, env: envFor(plugins) };
  const missing = await assertRejects(() => delegateDel("a", request), CniError);
  assertEquals(missing.code, 7);
  assertStringIncludes(missing.message, "CNI_PATH");
  assertEquals((await assertRejects(() => delegateStatus("a", request), CniError)).code, 50);
  const without = await assertRejects(
    () => delegateDel("a", { stdin: STDIN, env: {} }),
    CniError,
  );
  assertEquals(without.code, 4);
  assertStringIncludes(without.message, "CNI_PATH");
});
