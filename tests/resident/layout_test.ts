/**
 * What `deno task build --resident` makes: in every plugin's place the client, and beside the clients
 * the executable, which is each of those plugins where no server runs. Which build, says `--bin`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { findCommands } from "../../scripts/build/commands.ts";
import { MACHINES, makeClient } from "../../scripts/client/client.ts";
import { executableOf } from "../../lib/server/client_file.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { missing, type Reason, reportSkip } from "../support/requirements.ts";
import { residentExecutable } from "../support/resident.ts";
import { inSandbox } from "../support/sandbox.ts";
import { ROOT } from "../support/scratch_project.ts";

const COMMANDS = findCommands(ROOT);
const PLUGINS = COMMANDS.filter(({ kind }) => kind === "plugin");

test("a resident build has a name for each command of a plain one, and the executable", (bin) => {
  const names = Array.from(Deno.readDirSync(bin), ({ name }) => name).sort();
  assertEquals(names, ["cni", ...COMMANDS.map(({ name }) => name)].sort());
});

test("in a resident build every plugin is the client, and every tool the executable", (bin) => {
  const { elfMachine } = MACHINES.find(({ name }) => name === Deno.build.arch)!;
  const { file } = makeClient({ elfMachine });
  const executable = Deno.statSync(`${bin}/cni`);
  for (const { name, kind } of COMMANDS) {
    const path = `${bin}/${name}`;
    if (kind === "tool") {
      assertEquals(Deno.statSync(path).ino, executable.ino, name);
      continue;
    }
    const bytes = Deno.readFileSync(path);
    assertEquals([bytes.length, bytes.every((byte, at) => byte === file[at])], [file.length, true]);
    assertEquals(executableOf(path, bytes), `${bin}/cni`);
    assert(Deno.statSync(path).mode! & 0o111, `${name} is executable`);
  }
});

test(
  "without a server every client of a resident build is the plugin that it is named after",
  async (bin) => {
    await inSandbox((sandbox) => {
      for (const { name } of PLUGINS) {
        // Without CNI_COMMAND a plugin says who it is, with VERSION only what it supports.
        const about = sandbox.try(`${bin}/${name}`, []);
        assertMatch(`${about.stdout}${about.stderr}`, new RegExp(`^CNI ${name} plugin v\\d`));
        const said = sandbox.run("env", ["CNI_COMMAND=VERSION", `${bin}/${name}`]);
        assert(JSON.parse(said).supportedVersions.includes("1.1.0"), said);
      }
    });
  },
  missing(["root", "ip"]),
);

/** A test of the resident build that is under test. */
function test(name: string, run: (bin: string) => void | Promise<void>, otherwise?: Reason): void {
  const bin = Deno.env.has("CNI_TEST_BIN") ? pluginDirectory() : undefined;
  const isResident = bin !== undefined && residentExecutable(bin) !== undefined;
  const reason = isResident ? otherwise : {
    lacks: "a resident build under test",
    remedy: "deno task build --resident && deno task test --bin dist/resident/bin tests/resident",
  };
  if (reason) reportSkip(name, reason);
  Deno.test({
    name,
    ignore: reason !== undefined,
    sanitizeResources: false, // libc is loaded when it is first used, and stays.
    fn: () => run(bin!),
  });
}
