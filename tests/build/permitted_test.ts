/**
 * Plugins whose `permissions.json` names less than everything, run by Deno with no more than that,
 * as they are after `deno task build --separate`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { findCommands } from "../../scripts/build/commands.ts";
import { permissionFlags } from "../../scripts/build/permissions.ts";
import { fromFileUrl } from "../support/paths.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const ADDRESS = "10.1.2.3/24";

/** What each of them is asked for: one address. */
const CONFIGURATIONS: Readonly<Record<string, (dataDir: string) => object>> = {
  static: () => ({ type: "static", addresses: [{ address: ADDRESS }] }),
  "host-local": (dataDir) => ({
    type: "host-local",
    dataDir,
    ranges: [[{ subnet: "10.1.2.0/24", rangeStart: "10.1.2.3" }]],
  }),
};

const limited = findCommands(ROOT).filter(({ kind, entry }) =>
  kind === "plugin" && !permissionsOf(entry).includes("--allow-all")
);

Deno.test("plugins that are not permitted everything are known here", () => {
  assertEquals(limited.map(({ name }) => name).sort(), Object.keys(CONFIGURATIONS).sort());
});

for (const { name, entry } of limited) {
  Deno.test(`${name} does its work with no more than its permissions`, () => {
    const dataDir = Deno.makeTempDirSync({ prefix: "cni-permitted-test-" });
    try {
      const config = {
        cniVersion: "1.1.0",
        name: "limited",
        type: name,
        ipam: CONFIGURATIONS[name]!(dataDir),
      };
      const call = (command: string, more = {}) => {
        const input = `${dataDir}/input`;
        Deno.writeTextFileSync(input, JSON.stringify({ ...config, ...more }));
        return run(entry, command, input);
      };
      const result = JSON.parse(call("ADD"));
      assertEquals(result.ips.map(({ address }: { address: string }) => address), [ADDRESS]);
      assertEquals(call("CHECK", { prevResult: result }), "");
      assertEquals(call("DEL"), "");
      assertEquals(JSON.parse(call("ADD")).ips.length, 1);
    } finally {
      Deno.removeSync(dataDir, { recursive: true });
    }
  });
}

function permissionsOf(entry: string): string[] {
  return permissionFlags(entry.replace(/main\.ts$/, "permissions.json"));
}

/** Runs a plugin from source. @returns what it printed */
function run(entry: string, command: string, input: string): string {
  // deno run reads standard input from the shell's file: outputSync() takes none.
  const { success, stdout, stderr } = new Deno.Command("sh", {
    args: [
      "-c",
      'exec "$0" run --quiet --no-prompt "$@" < "$INPUT"',
      Deno.execPath(),
      ...permissionsOf(entry),
      entry,
    ],
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "c",
      CNI_NETNS: "/none",
      CNI_IFNAME: "eth0",
      CNI_PATH: "/none",
      CNI_ARGS: "",
      CNI_NETNS_OVERRIDE: "",
      INPUT: input,
      NO_COLOR: "1",
    },
  }).outputSync();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(success, `${command} failed:\n${out}${error}`);
  return out!;
}
