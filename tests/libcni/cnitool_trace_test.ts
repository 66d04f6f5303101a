/** `cnitool trace`: a command's tree, over all its processes. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { TracePart } from "../../lib/cnitool/trace/tree.ts";
import { Cnitool, RESULT } from "../support/cnitool.ts";
import { Collector } from "../support/collector.ts";
import { pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const DEMO = {
  cniVersion: "1.1.0",
  name: "demo",
  plugins: [
    {
      type: "bridge",
      isGateway: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.1.0.0/24" }]] },
    },
    { type: "b" },
  ],
};

/** A fixture with the network demo of our bridge and another maker's b. */
function demo(): { fixture: Cnitool; env: Record<string, string> } {
  const fixture = new Cnitool();
  Deno.writeTextFileSync("/etc/cni/net.d/demo.conflist", JSON.stringify(DEMO));
  return { fixture, env: { CNI_PATH: `${fixture.path}:${pluginDirectory()}` } };
}

function find(parts: readonly TracePart[], wanted: string): TracePart | undefined {
  for (const part of parts) {
    const found = part.name.startsWith(wanted) ? part : find(part.parts, wanted);
    if (found) return found;
  }
  return undefined;
}

kernelTest(
  "cnitool trace prints what the command prints, and all that it did, as a tree",
  (sandbox) => {
    const { fixture, env } = demo();
    using _fixture = fixture;
    sandbox.container("blue");
    const add = fixture.run(["trace", "add", "demo", "blue"], env);
    assertEquals(add.code, 0, add.stderr);
    assertEquals(JSON.parse(add.stdout), RESULT);
    const lines = add.stderr.split("\n");
    assertMatch(lines[0]!, /^ +at ms +took ms$/);
    assertMatch(lines[1]!, /^ +0\.0 +\d+\.\d {2}cnitool add demo blue$/);
    assertMatch(add.stderr, /\n +\d+\.\d +\d+\.\d {2}[├│].* bridge ADD .*network demo\n/);
    assertMatch(add.stderr, /\n +\d+\.\d +\d+\.\d {2}├─ b ADD executed: \S+\/b\n/);
    assertMatch(
      add.stderr,
      /│ .* RTM_NEWLINK create bridge interface cni0: .*name=cni0 .*info\.kind=bridge/,
    );
    assertMatch(add.stderr, /│ .* lock \/var\/lib\/cni\/networks\/demo\/lock waited \d+\.\d ms\n/);
    assertMatch(add.stderr, /\n\d+ plugins? executed .*, \d+ netlink requests .*, 1 lock .*\n$/);
    const del = fixture.run(["trace", "del", "demo", "blue"], env);
    assertEquals([del.code, del.stdout], [0, ""], del.stderr);
    assertMatch(del.stderr, / b DEL executed: [^]* bridge DEL network demo\n/);
    // bridge would miss its interfaces in what b returns.
    fixture.run(["add", "net", "blue"], env);
    const check = fixture.run(["trace", "check", "net", "blue"], env);
    assertEquals([check.code, check.stdout], [0, ""], check.stderr);
    assertMatch(check.stderr, / a CHECK executed: [^]* b CHECK executed: /);
    const status = fixture.run(["trace", "status", "demo"], env);
    assertEquals([status.code, status.stdout], [0, "demo is ready\n"]);
    assertStringIncludes(status.stderr, " host-local STATUS ");
    assertStringIncludes(fixture.run(["trace", "gc", "demo", "--all"], env).stderr, " bridge GC ");
  },
);

kernelTest("cnitool trace --json prints one document; its status is the command's", (sandbox) => {
  const { fixture, env } = demo();
  using _fixture = fixture;
  sandbox.container("blue");
  fixture.reply("b", "ADD", { stdout: { code: 101, msg: "not today" }, exit: 1 });
  const failed = fixture.run(["trace", "--json", "add", "demo", "blue", "--json"], env);
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "not today");
  const { command, status, output, trace } = JSON.parse(failed.stdout);
  assertEquals([command, status], [["add", "demo", "blue", "--json"], 1]);
  assertEquals([output.network, output.error.code], ["demo", 101]);
  assertEquals(trace.length, 1);
  const [root]: TracePart[] = trace;
  assertEquals([root!.kind, root!.atMs, root!.error], ["command", 0, "exit status 1"]);
  const b = find(trace, "b ADD")!;
  assertEquals([b.kind, b.details.exitCode, b.error], ["plugin", 1, "exit status 1"]);
  const bridge = find(trace, "bridge ADD")!;
  assert(find([bridge], "host-local ADD"), failed.stdout);
  assertEquals(find([bridge], "RTM_NEWADDR")!.details.purpose, "add address 10.1.0.2/24 to eth0");
  assert(bridge.atMs > 0 && bridge.durationMs! <= root!.durationMs!);
});

kernelTest("cnitool trace reads its command's line as cnitool does", () => {
  using fixture = new Cnitool();
  const help = fixture.run(["trace", "add", "--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  assertMatch(help.stdout, /^usage: cnitool add NETWORK NETNS/);
  const unknown = fixture.run(["trace", "ad", "net"]);
  assertEquals(unknown.code, 2);
  assertStringIncludes(unknown.stderr, "unknown command ad (did you mean add?)");
  assertEquals(fixture.run(["trace"]).code, 2);
  const absent = fixture.run(["trace", "add", "no-such-network", "blue"]);
  assertEquals([absent.code, absent.stdout], [1, ""]);
  assertStringIncludes(absent.stderr, "no-such-network");
  const offered = fixture.run(["complete", "--", "trace", "add", ""]).stdout;
  assertMatch(offered, /^net\b/m);
});

kernelTest(
  "OpenTelemetry: the plugins that a command of cnitool calls are of one trace",
  async (sandbox) => {
    const { fixture, env } = demo();
    using _fixture = fixture;
    using collector = await Collector.start();
    sandbox.container("blue");
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
    for (let attempt = 0; attempt < 30; attempt++) {
      fixture.run(["del", "demo", "blue"], env);
      const { code, stderr } = fixture.run(["add", "demo", "blue"], { ...env, ...endpoint });
      assertEquals(code, 0, stderr);
      const requests = await collector.received();
      if (stderr.includes("no answer")) continue;
      const spans = requests.flatMap(({ body }) => body.resourceSpans[0].scopeSpans[0].spans);
      assertEquals(new Set(spans.map(({ traceId }) => traceId)).size, 1);
      const [root, ...others] = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
      assertEquals([root.name, others], ["attach eth0 in /var/run/netns/blue to demo", []]);
      const names = spans.map(({ name }) => name);
      assert(["bridge ADD", "host-local ADD", "b ADD"].every((name) => names.includes(name)));
      return;
    }
    throw new Error("the collector received nothing");
  },
);
