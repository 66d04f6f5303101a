/**
 * Plugins whose `permissions.json` names less than everything, run by Deno with no more than that,
 * as they are after `deno task build --separate`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { findCommands } from "../../scripts/build/commands.ts";
import { permissionFlags } from "../../scripts/build/permissions.ts";
import { fromFileUrl } from "../support/paths.ts";
import { outputWithInput } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const ADDRESS = "10.1.2.3/24";

/** What each of them is asked for: one address. */
const CONFIGURATIONS: Readonly<Record<string, object>> = {
  static: { type: "static", addresses: [{ address: ADDRESS }] },
  "host-local": {
    type: "host-local",
    ranges: [[{ subnet: "10.1.2.0/24", rangeStart: "10.1.2.3" }]],
  },
};

const limited = findCommands(ROOT).filter(({ kind, entry }) =>
  kind === "plugin" && !permissionsOf(entry).includes("--allow-all")
);

Deno.test("plugins that are not permitted everything are known here", () => {
  assertEquals(limited.map(({ name }) => name).sort(), Object.keys(CONFIGURATIONS).sort());
});

for (const { name, entry } of limited) {
  kernelTest(`${name} does its work with no more than its permissions`, () => {
    const config = { cniVersion: "1.1.0", name: "limited", type: name, ipam: CONFIGURATIONS[name] };
    const call = (command: string, more = {}) =>
      run(entry, command, JSON.stringify({ ...config, ...more }));
    const result = JSON.parse(call("ADD"));
    assertEquals(result.ips.map(({ address }: { address: string }) => address), [ADDRESS]);
    assertEquals(call("CHECK", { prevResult: result }), "");
    assertEquals(call("DEL"), "");
    assertEquals(JSON.parse(call("ADD")).ips.length, 1);
  });
}

function permissionsOf(entry: string): string[] {
  return permissionFlags(entry.replace(/main\.ts$/, "permissions.json"));
}

/** Runs a plugin from source. @returns what it printed */
function run(entry: string, command: string, input: string): string {
  const env = {
    ...Deno.env.toObject(), // Deno's cache is found by it.
    CNI_COMMAND: command,
    CNI_CONTAINERID: "c",
    CNI_NETNS: "/none",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/none",
    CNI_ARGS: "",
    CNI_NETNS_OVERRIDE: "",
    NO_COLOR: "1",
  };
  const args = ["run", "--quiet", "--no-prompt", ...permissionsOf(entry), entry];
  const { code, stdout, stderr } = outputWithInput(Deno.execPath(), input, env, args);
  assertEquals(code, 0, `${command} failed:\n${stdout}${stderr}`);
  return stdout;
}
