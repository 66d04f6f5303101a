import { assert, assertEquals, assertMatch } from "@std/assert";
import { findCommands } from "../../scripts/build/commands.ts";
import { fromFileUrl } from "../support/paths.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const COMMANDS = findCommands(fromFileUrl(new URL("../..", import.meta.url)));

/** What a version is to Nomad, which takes the first, and to others, who want it with a `v`. */
const VERSION = /\bv?\d+\.\d+\.\d+/;

kernelTest("started bare, as runtimes do to see what it is, nothing acts", (sandbox) => {
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"]);
  const state = () => [sandbox.links(), sandbox.ruleset(), list("/run/cni"), list("/var/lib/cni")];
  const before = state();
  for (const { name, kind } of COMMANDS) {
    const { stdout, stderr } = sandbox.try(`${pluginDirectory()}/${name}`, []);
    const [first = ""] = `${stdout}${stderr}`.split("\n");
    assert(first.length > 0, `${name} says nothing`);
    if (kind !== "plugin") continue;
    assertMatch(first, new RegExp(`^CNI ${name} plugin (\\(from source\\)|v\\d+\\.\\d+\\.\\d+)$`));
    if (!first.endsWith("(from source)")) {
      assertEquals(VERSION.exec(`${stdout}${stderr}`)![0][0], "v");
    }
  }
  assertEquals(state(), before);
});

function list(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name);
  } catch {
    return [];
  }
}
