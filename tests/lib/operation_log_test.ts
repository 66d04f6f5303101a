/** CNI_LOG_FILE: a line for each operation, whatever becomes of the file. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dispatch } from "../../lib/skel/dispatch.ts";
import { definePlugin } from "../../lib/skel/plugin.ts";
import { pluginDirectory, tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const FILE = "/run/test/cni.log";
const CONFIG = {
  cniVersion: "1.1.0",
  name: "net",
  type: "host-local",
  ipam: { type: "host-local", ranges: [[{ subnet: "10.1.0.0/24" }]] },
};

function call(
  sandbox: Sandbox,
  command: "ADD" | "DEL" | "CHECK" | "VERSION",
  env: Record<string, string>,
  config: object = CONFIG,
) {
  return tryPlugin(sandbox, { command, config: { ...CONFIG, ...config }, netns: "/ns", env });
}

function lines(): Record<string, unknown>[] {
  return Deno.readTextFileSync(FILE).trim().split("\n").map((line) => JSON.parse(line));
}

kernelTest("CNI_LOG_FILE gets a line for each operation, and standard output none", (sandbox) => {
  const env = { CNI_LOG_FILE: FILE };
  const plain = call(sandbox, "ADD", {});
  assertEquals(call(sandbox, "DEL", {}).code, 0);
  const logged = call(sandbox, "ADD", env);
  assertEquals([logged.code, logged.stderr, logged.stdout.length], [0, "", plain.stdout.length]);
  assertEquals(call(sandbox, "CHECK", env).code, 0);
  assertEquals(call(sandbox, "DEL", env).code, 0);
  call(sandbox, "VERSION", env);
  assertEquals(call(sandbox, "ADD", env, { ipam: { type: "host-local" } }).code, 1);
  const [add, check, del, failed, ...more] = lines();
  assertEquals(more, []);
  assertEquals([check!.command, del!.command], ["CHECK", "DEL"]);
  const { time, durationMs, pid, ...facts } = add!;
  assertMatch(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert(typeof durationMs === "number" && typeof pid === "number");
  assertEquals(facts, {
    level: "info",
    plugin: "host-local",
    command: "ADD",
    network: "net",
    container: "test",
    interface: "eth0",
    netns: "/ns",
    outcome: "success",
  });
  assertEquals([failed!.outcome, failed!.level, failed!.code], ["failure", "error", 7]);
  assertMatch(String(failed!.msg), /no IP ranges/);
  assertEquals(Deno.statSync(FILE).mode! & 0o777, 0o600);
});

kernelTest(
  "CNI_LOG_LEVEL=error keeps what succeeded out; delegates have lines of their own",
  (sandbox) => {
    const env = { CNI_LOG_FILE: FILE, CNI_LOG_LEVEL: "error" };
    assertEquals(call(sandbox, "DEL", env).code, 0);
    assertEquals(call(sandbox, "ADD", env, { ipam: null }).code, 1);
    assertEquals(lines().length, 1);
    Deno.removeSync(FILE);
    const netns = sandbox.container();
    const config = { ...CONFIG, type: "bridge" };
    const added = tryPlugin(sandbox, {
      command: "ADD",
      config,
      netns,
      env: { CNI_LOG_FILE: FILE },
    });
    assertEquals(added.code, 0, added.stderr);
    assertEquals(lines().map(({ plugin, command }) => `${plugin} ${command}`), [
      "host-local ADD",
      "bridge ADD",
    ]);
  },
);

kernelTest("CNI_LOG_FILE that cannot be written keeps no operation from succeeding", (sandbox) => {
  sandbox.run("mkfifo", ["/run/test/unread"]);
  for (const file of ["/nowhere/log", "/run/test", "/dev/full", "/run/test/unread"]) {
    const { code, stderr, json } = call(sandbox, "ADD", { CNI_LOG_FILE: file });
    assertEquals([code, json.ips.length], [0, 1], file);
    assertMatch(stderr, /^CNI_LOG_FILE: cannot .*; operations go on without a log\n$/);
    assertEquals(call(sandbox, "DEL", { CNI_LOG_FILE: file }).code, 0);
  }
});

kernelTest(
  "CNI_LOG_FILE of a whole network is told of once where it cannot be written",
  (sandbox) => {
    const netns = sandbox.container();
    const config = { ...CONFIG, type: "bridge" };
    const env = { CNI_LOG_FILE: "/nowhere/log" };
    const { code, stderr } = tryPlugin(sandbox, { command: "ADD", config, netns, env });
    assertEquals(code, 0);
    // A delegate from source is a process of its own; of one executable it is none.
    const processes = pluginDirectory() === Deno.env.get("CNI_TEST_BIN") ? 1 : 2;
    assertEquals(stderr.match(/CNI_LOG_FILE/g)?.length, processes);
  },
);

kernelTest(
  "CNI_LOG_FILE has the stack where a plugin's own code failed, at any level",
  async () => {
    const fail = () => {
      throw new TypeError("of the code");
    };
    const plugin = definePlugin({
      name: "mistaken",
      add: fail,
      del: fail,
      check: fail,
      gc: fail,
      status: fail,
    });
    for (const CNI_LOG_LEVEL of ["error", "info", "debug"]) {
      const env = {
        CNI_COMMAND: "STATUS",
        CNI_PATH: "/none",
        CNI_LOG_FILE: `${FILE}.${CNI_LOG_LEVEL}`,
        CNI_LOG_LEVEL,
      };
      const stdin = () => JSON.stringify({ cniVersion: "1.1.0", name: "net", type: "mistaken" });
      assertEquals((await dispatch(plugin, { env, stdin })).exitCode, 1);
      const line = JSON.parse(Deno.readTextFileSync(env.CNI_LOG_FILE));
      assertEquals([line.code, line.network], [999, "net"]);
      assertMatch(line.stack, /^TypeError: of the code\n\s+at .*operation_log_test\.ts/s);
    }
  },
);
