import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NoopPlugins, type NoopReply } from "../../tests/support/noop_plugins.ts";
import { CniError } from "../types/error.ts";
import { supportedVersions } from "./version.ts";

async function versionsOf(reply: NoopReply): Promise<readonly string[]> {
  using plugins = new NoopPlugins("a");
  plugins.reply("a", "VERSION", reply);
  return await supportedVersions(`${plugins.path}/a`);
}

Deno.test("supportedVersions() asks with the variables that old plugins insist on", async () => {
  using plugins = new NoopPlugins("a");
  await supportedVersions(`${plugins.path}/a`);
  const [{ env, text }] = plugins.calls() as [ReturnType<NoopPlugins["calls"]>[0]];
  assertEquals(text, '{"cniVersion":"1.1.0"}');
  assertEquals([env.CNI_NETNS, env.CNI_IFNAME, env.CNI_PATH], ["dummy", "dummy", "dummy"]);
});

Deno.test("supportedVersions() reads the list, and knows the plugins that have none", async () => {
  const list = { cniVersion: "1.1.0", supportedVersions: ["0.4.0", "1.0.0"] };
  assertEquals(await versionsOf({ stdout: list }), ["0.4.0", "1.0.0"]);
  assertEquals(await versionsOf({ stdout: { cniVersion: "0.2.0" } }), ["0.1.0", "0.2.0"]);
  const ancient = { code: 100, msg: "unknown CNI_COMMAND: VERSION" };
  assertEquals(await versionsOf({ stdout: ancient, exit: 1 }), ["0.1.0"]);
});

Deno.test("supportedVersions() refuses an answer that is none", async () => {
  const messageFor = async (reply: NoopReply) =>
    (await assertRejects(() => versionsOf(reply), CniError)).message;
  assertEquals(
    await messageFor({ stdout: {} }),
    "decoding version info: missing field cniVersion",
  );
  assertEquals(
    await messageFor({ stdout: { cniVersion: "1.0.0" } }),
    "decoding version info: missing field supportedVersions",
  );
  assertStringIncludes(
    await messageFor({ stdout: { supportedVersions: "1.0.0" } }),
    '"supportedVersions" is "1.0.0" (a string)',
  );
  assertStringIncludes(await messageFor({}), "printed nothing");
  assertEquals(await messageFor({ stdout: { code: 7, msg: "no" }, exit: 1 }), "no");
});
