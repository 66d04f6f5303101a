/**
 * The plugin's test: each command as a runtime calls it, in a network namespace that is made for
 * the test. What the kernel has is read with `ip`. Needs root.
 *
 *     deno test --allow-all main_test.ts
 *
 * @module
 */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
// In a project of your own from where main.ts imports.
import { createNetNs, removeNetNs } from "../../netns.ts";
import { dispatch } from "../../plugin.ts";
import plugin from "./main.ts";

const NAME = "link-group-test";
const NETNS = `/var/run/netns/${NAME}`;
/** What the plugin before this one would have made. */
const prevResult = { cniVersion: "1.1.0", interfaces: [{ name: "eth0", sandbox: NETNS }] };

test("ADD sets the group and passes the result on, CHECK looks, DEL takes it back", async () => {
  deepStrictEqual(await call("ADD", { group: 42, prevResult }), prevResult);
  strictEqual(group(), "42");
  strictEqual(await call("CHECK", { group: 42, prevResult }), undefined);
  ip("link", "set", "eth0", "group", "7");
  const { msg } = await call("CHECK", { group: 42, prevResult });
  strictEqual(msg, "eth0 is in group 7, and should be in 42");
  strictEqual(await call("DEL", { group: 42 }), undefined);
  strictEqual(group(), "default");
});

test("DEL is success with whatever is gone", async () => {
  ip("link", "del", "eth0");
  strictEqual(await call("DEL", { group: 42 }), undefined);
  removeNetNs(NAME);
  strictEqual(await call("DEL", {}), undefined);
});

test("a wrong group is refused, and changes nothing", async () => {
  const { code, msg } = await call("ADD", { group: 0, prevResult });
  strictEqual(code, 7);
  match(msg, /"group" is 0 \(a number\)/);
  strictEqual(group(), "default");
});

/** A test with an `eth0` in a namespace of its own. */
function test(name: string, work: () => Promise<void>): void {
  Deno.test({
    name,
    sanitizeResources: false, // the C library is loaded when it is first used, and stays
    async fn() {
      using _netns = createNetNs(NAME);
      try {
        ip("link", "add", "eth0", "type", "bridge");
        await work();
      } finally {
        removeNetNs(NAME);
      }
    },
  });
}

/** Calls the plugin; returns what it prints, parsed, or undefined for nothing. */
// deno-lint-ignore no-explicit-any -- results are asserted on in parts
async function call(CNI_COMMAND: string, config: object): Promise<any> {
  const CNI = { CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0", CNI_NETNS: NETNS, CNI_PATH: "/none" };
  const stdin = () =>
    JSON.stringify({ cniVersion: "1.1.0", name: "n", type: "link-group", ...config });
  const { stdout } = await dispatch(plugin, { env: { CNI_COMMAND, ...CNI }, stdin });
  return stdout === "" ? undefined : JSON.parse(stdout);
}

function ip(...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("ip", { args: ["-n", NAME, ...args] })
    .outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function group(): string {
  return JSON.parse(ip("-j", "link", "show", "eth0"))[0].group;
}
