/** CNI_TRACE_FD: a line of JSON for whatever an operation does, in every process of it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { TraceLine } from "../../lib/observe/trace_file.ts";
import { OBSERVED_NETWORK as CONFIG } from "../support/observed_network.ts";
import { pluginDirectory, type PluginReply } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const TRACE = "/run/test/trace";

/** Calls bridge with descriptor 5 open for a file, by a shell as whoever traces by hand does. */
function traced(
  sandbox: Sandbox,
  { config = CONFIG, netns = "", descriptor = "5", command = "ADD", env = {}, to = `>>${TRACE}` }: {
    config?: object;
    netns?: string;
    descriptor?: string;
    command?: string;
    env?: Record<string, string>;
    to?: string;
  },
): PluginReply {
  Deno.writeTextFileSync("/run/test/config", JSON.stringify(config));
  const output = new Deno.Command("/bin/sh", {
    args: ["-c", `exec 5${to}; exec "$0" </run/test/config`, `${pluginDirectory()}/bridge`],
    env: {
      PATH: Deno.env.get("PATH")!,
      HOME: Deno.env.get("HOME") ?? "/",
      ...Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {},
      CNI_COMMAND: command,
      CNI_CONTAINERID: "c1",
      CNI_IFNAME: "eth0",
      CNI_NETNS: netns,
      CNI_PATH: `${sandbox.directory}/others:${pluginDirectory()}`,
      CNI_TRACE_FD: descriptor,
      ...env,
    },
    clearEnv: true,
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const stdout = text(output.stdout);
  return {
    code: output.code,
    stdout,
    stderr: text(output.stderr),
    json: stdout === "" ? undefined : JSON.parse(stdout),
  };
}

/** What a line says beyond what all do. */
type Line = TraceLine & {
  attributes: Record<string, unknown>;
  commands: string[];
  args: string[];
  [key: string]: unknown;
};

function lines(): Line[] {
  return Deno.readTextFileSync(TRACE).trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** The lines of what has ended. */
function ended(): Line[] {
  return lines().filter(({ durationMs }) => durationMs !== undefined);
}

kernelTest("CNI_TRACE_FD: netlink requests, rules, files and locks by name", (sandbox) => {
  const netns = sandbox.container();
  const { code, stderr, json } = traced(sandbox, { netns: netns.path });
  assertEquals([code, stderr, json.ips[0].address], [0, "", "10.1.0.2/24"]);
  const all = ended();
  const [add] = all.filter(({ name }) => name === "bridge ADD");
  assertEquals(
    [add!.kind, add!.container, add!.network, add!.parent, add!.error],
    ["operation", "c1", "net", undefined, undefined],
  );
  const made = all.find(({ name, attributes }) =>
    name === "RTM_NEWLINK" && attributes.name === "cni0"
  );
  assertEquals([made!.parent, made!.flags], [add!.span, ["NLM_F_EXCL", "NLM_F_CREATE"]]);
  assertEquals((made!.attributes.info as { kind: string }).kind, "bridge");
  const address = all.filter(({ name }) => name === "RTM_NEWADDR").map(({ attributes }) =>
    `${attributes.local}/${attributes.prefix}`
  );
  assertEquals(address.sort(), ["10.1.0.1/24", "10.1.0.2/24"]);
  const commands = all.filter(({ kind }) => kind === "batch").flatMap(({ commands }) => commands);
  assert(commands.some((line) => /^add rule .*masquerade/.test(line)), commands.join("\n"));
  const [lock] = all.filter(({ kind, name }) => kind === "lock" && name.endsWith("/net/lock"));
  assert(typeof lock!.waitedMs === "number" && lock!.waitedMs <= lock!.durationMs!);
  const [ipam] = all.filter(({ name }) => name === "host-local ADD");
  assertEquals(lock!.parent, ipam!.span);
  const written = all.filter(({ kind }) => kind === "file").map(({ name }) => name);
  assert(written.some((name) => /10\.1\.0\.2/.test(name)), written.join("\n"));
  assert(
    all.some(({ name, value }) => name === "write /proc/sys/net/ipv4/ip_forward" && value === "1"),
    written.join("\n"),
  );
  // One trace; everything is a part of something that has begun before.
  const begun = new Set<string>();
  for (const { trace, span, parent, durationMs } of lines()) {
    assertEquals(trace, add!.trace);
    assert(parent === undefined || begun.has(parent), `${parent} is unknown`);
    if (durationMs === undefined) begun.add(span);
  }
});

kernelTest("CNI_TRACE_FD: a plugin that is executed goes on with the trace", (sandbox) => {
  const netns = sandbox.container();
  // Another maker's plugin, which tells nothing, and passes on to one that does.
  Deno.mkdirSync("/run/test/others");
  Deno.writeTextFileSync(
    "/run/test/others/other",
    `#!/bin/sh\nexec ${pluginDirectory()}/host-local\n`,
    { mode: 0o755 },
  );
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { code, stderr } = traced(sandbox, {
    netns: netns.path,
    config: { ...CONFIG, ipam: { ...CONFIG.ipam, type: "other" } },
    env: { TRACEPARENT: parent },
  });
  assertEquals([code, stderr], [0, ""]);
  const find = (wanted: string) => ended().find(({ name }) => name === wanted)!;
  const [bridge, other] = [find("bridge ADD"), find("other ADD")];
  assertEquals(
    [other.kind, other.file, other.exitCode],
    ["plugin", "/run/test/others/other", 0],
  );
  assertEquals([bridge.trace, bridge.parent], [parent.slice(3, 35), parent.slice(36, 52)]);
  assertEquals(other.parent, bridge.span);
  const inner = ended().filter(({ pid }) => pid !== bridge.pid);
  assertEquals([...new Set(inner.map(({ trace }) => trace))], [bridge.trace]);
  const operation = inner.find(({ kind }) => kind === "operation")!;
  assertEquals([operation.parent, operation.plugin], [other.span, "host-local"]);
});

kernelTest("CNI_TRACE_FD: what a plugin that is killed had begun is there", (sandbox) => {
  const netns = sandbox.container();
  Deno.mkdirSync("/run/test/others");
  Deno.writeTextFileSync(
    "/run/test/others/other",
    `#!/bin/sh\n${pluginDirectory()}/host-local\nkill -9 $PPID $$\n`,
    { mode: 0o755 },
  );
  const config = { ...CONFIG, ipam: { ...CONFIG.ipam, type: "other" } };
  traced(sandbox, { netns: netns.path, config });
  const names = (from: readonly Line[]) => new Set(from.map(({ name }) => name));
  const unfinished = names(lines()).difference(names(ended()));
  assertEquals([...unfinished], ["bridge ADD", "other ADD"]);
  assert(names(ended()).has("host-local ADD"));
});

kernelTest("CNI_TRACE_FD: what fails says why", (sandbox) => {
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "eth0", "type", "veth"], { netns });
  const { code, json } = traced(sandbox, { netns: netns.path });
  assertEquals(code, 1);
  const [add] = ended().filter(({ name }) => name === "bridge ADD");
  assertEquals(add!.error, json.msg);
  const [unknown] = ended().filter(({ name, error }) => name === "RTM_GETLINK" && error);
  assertMatch(unknown!.error!, /^cannot find interface cni0: ENODEV/);
});

kernelTest(
  "CNI_TRACE_FD: a descriptor that is none, or cannot be written, is told of once",
  (sandbox) => {
    const netns = sandbox.container();
    const attempts = [
      { descriptor: "77" },
      { descriptor: "x" },
      { descriptor: "1" },
      { to: "</dev/null" },
      { to: ">/dev/full" },
    ];
    for (const attempt of attempts) {
      const added = traced(sandbox, { netns: netns.path, ...attempt });
      assertEquals([added.code, added.json.ips.length], [0, 1], JSON.stringify(attempt));
      const isReadOnly = attempt.to === "</dev/null";
      // Root may write what the descriptor was not opened to write.
      const told = isReadOnly ? /^$/ : /^CNI_TRACE_FD: .*; operations go on without a trace\n$/;
      assertMatch(added.stderr, told, JSON.stringify(attempt));
      assertEquals(traced(sandbox, { netns: netns.path, command: "DEL", ...attempt }).code, 0);
    }
  },
);

kernelTest(
  "CNI_TRACE_FD: a pipe that is full keeps nobody waiting",
  (sandbox) => {
    const netns = sandbox.container();
    sandbox.run("mkfifo", ["/run/test/pipe"]);
    // Opened for both, a pipe has a reader, which never reads.
    const to = "<>/run/test/pipe; head -c 65536 /dev/zero >&5";
    const { code, stderr } = traced(sandbox, { netns: netns.path, to });
    assertEquals(code, 0);
    assertMatch(stderr, /^CNI_TRACE_FD: .*EAGAIN.*; operations go on without a trace\n$/);
  },
);
