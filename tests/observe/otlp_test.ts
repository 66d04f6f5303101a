/** OpenTelemetry: spans reach a collector, and one that does not take them is in nobody's way. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dispatch } from "../../lib/skel/dispatch.ts";
import { definePlugin } from "../../lib/skel/plugin.ts";
import { Collector } from "../support/collector.ts";
import type { Received } from "../support/collector_worker.ts";
import { OBSERVED_NETWORK as CONFIG } from "../support/observed_network.ts";
import { plugin, pluginDirectory, tryPlugin } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

/** `KeyValue` of OTLP's JSON. */
interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

/** The attributes of a span, or a resource, as a record. */
function attributesOf({ attributes }: { attributes: Attribute[] }): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

// deno-lint-ignore no-explicit-any -- OTLP's JSON
function spansIn(requests: readonly Received[]): any[] {
  return requests.flatMap(({ body }) => body.resourceSpans[0].scopeSpans[0].spans);
}

kernelTest(
  "TRACEPARENT and TRACESTATE reach a delegate, whether anybody observes or not",
  (sandbox) => {
    const netns = sandbox.container();
    const others = "/run/test/others";
    Deno.mkdirSync(others);
    Deno.writeTextFileSync(
      `${others}/other`,
      `#!/bin/sh\necho "$TRACEPARENT $TRACESTATE" >/run/test/seen\nexec ${pluginDirectory()}/host-local\n`,
      { mode: 0o755 },
    );
    const config = { ...CONFIG, ipam: { ...CONFIG.ipam, type: "other" } };
    const caller = `00-${TRACE}-${CALLER}-01`;
    const env = {
      CNI_PATH: `${others}:${pluginDirectory()}`,
      TRACEPARENT: caller,
      TRACESTATE: "vendor=1",
    };
    plugin(sandbox, { command: "ADD", config, netns, env });
    assertEquals(Deno.readTextFileSync("/run/test/seen"), `${caller} vendor=1\n`);
    // Observed, the delegate is a part of the span that executes it.
    const observed = { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
    plugin(sandbox, { command: "DEL", config, netns, env: observed });
    const seen = Deno.readTextFileSync("/run/test/seen");
    assertMatch(seen, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01 vendor=1\n$`));
    assertEquals(seen.includes(CALLER), false);
  },
);

/**
 * Calls until the collector has received spans: on a machine that has other things to do, 100 ms are
 * sometimes not enough for a first request. Each call is of a trace of its own, since what an earlier
 * one has sent may come late.
 * @param call is given the TRACEPARENT of its caller
 */
async function untilReceived<R extends object>(
  collector: Collector,
  call: (TRACEPARENT: string) => R | Promise<R>,
): Promise<{ reply: R; requests: Received[]; trace: string }> {
  for (let attempt = 0; attempt < 30; attempt++) {
    const trace = crypto.randomUUID().replaceAll("-", "");
    const reply = await call(`00-${trace}-${CALLER}-01`);
    const requests = (await collector.received()).filter((request) =>
      spansIn([request]).some(({ traceId }) => traceId === trace)
    );
    const isLost = "stderr" in reply && String(reply.stderr).includes("no answer");
    if (requests.length > 0 && !isLost) return { reply, requests, trace };
  }
  throw new Error("the collector received nothing");
}

kernelTest(
  "OpenTelemetry: a call's spans are posted, as a part of its caller's trace",
  async (sandbox) => {
    using collector = await Collector.start();
    const netns = sandbox.container();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "api-key=secret",
      OTEL_SERVICE_NAME: "node",
      TRACESTATE: "vendor=1",
    };
    const { reply: { code, stderr }, requests, trace } = await untilReceived(
      collector,
      (TRACEPARENT) => {
        tryPlugin(sandbox, { command: "DEL", config: CONFIG, netns });
        return tryPlugin(sandbox, {
          command: "ADD",
          config: CONFIG,
          netns,
          env: { ...env, TRACEPARENT },
        });
      },
    );
    assertEquals([code, stderr], [0, ""]);
    for (const { path, headers, body } of requests) {
      assertEquals([path, headers["content-type"]], ["/v1/traces", "application/json"]);
      assertEquals(headers["api-key"], "secret");
      assertEquals(attributesOf(body.resourceSpans[0].resource)["service.name"], "node");
    }
    const spans = spansIn(requests);
    const find = (wanted: string) => spans.find(({ name }) => name === wanted);
    const [bridge, ipam] = [find("bridge ADD"), find("host-local ADD")];
    assertEquals([bridge.traceId, bridge.parentSpanId, bridge.traceState], [
      trace,
      CALLER,
      "vendor=1",
    ]);
    assertEquals([bridge.kind, bridge.status], [2, {}]);
    const about = attributesOf(bridge);
    assertEquals(
      [about["cni.plugin"], about["cni.command"], about["cni.network"], about["cni.netns"]],
      ["bridge", "ADD", "net", netns.path],
    );
    const [start, end] = [BigInt(bridge.startTimeUnixNano), BigInt(bridge.endTimeUnixNano)];
    assert(start < end && BigInt(ipam.startTimeUnixNano) >= start, JSON.stringify(bridge));
    // The IPAM plugin's, also where it is a process of its own, with a span of its execution between.
    const parents = new Map(spans.map(({ spanId, parentSpanId }) => [spanId, parentSpanId]));
    assert(
      [ipam.parentSpanId, parents.get(ipam.parentSpanId)].includes(bridge.spanId),
      JSON.stringify(spans),
    );
    const batch = spans.find(({ attributes }) => JSON.stringify(attributes).includes("masquerade"));
    assertEquals([batch.kind, batch.parentSpanId], [1, bridge.spanId]);
  },
);

kernelTest("OpenTelemetry: a failed call's span says why", async (sandbox) => {
  using collector = await Collector.start();
  const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.endpoint}/in` };
  const config = { ...CONFIG, ipam: {} };
  const { reply: { code, json }, requests } = await untilReceived(
    collector,
    (TRACEPARENT) =>
      tryPlugin(sandbox, {
        command: "ADD",
        config,
        netns: "/nowhere",
        env: { ...env, TRACEPARENT },
      }),
  );
  assertEquals(code, 1);
  assertEquals(requests[0]!.path, "/in");
  const [bridge] = spansIn(requests);
  assertEquals(bridge.status, { code: 2, message: json.msg });
});

kernelTest(
  "OpenTelemetry: nothing is sent where that is said, or the trace is not sampled",
  async (sandbox) => {
    using collector = await Collector.start();
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
    const none: Record<string, string>[] = [
      { OTEL_SDK_DISABLED: "true" },
      { TRACEPARENT: `00-${TRACE}-${CALLER}-00` },
    ];
    for (const one of none) {
      const env = { ...endpoint, ...one };
      assertEquals(tryPlugin(sandbox, { command: "DEL", config: CONFIG, env }).stderr, "");
    }
    assertEquals(await collector.received(), []);
  },
);

kernelTest(
  "OpenTelemetry: a collector that is down, slow or refuses fails no call",
  async (sandbox) => {
    using slow = await Collector.start("never");
    using refusing = await Collector.start(503);
    const netns = sandbox.container();
    const endpoints = ["http://127.0.0.1:1", "http://no.such.name:4318", "nonsense"];
    for (const endpoint of [...endpoints, slow.endpoint, refusing.endpoint]) {
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
      // loopback calls no other plugin, which from source would be a process that tells it, too.
      const config = { cniVersion: "1.1.0", name: "net", type: "loopback" };
      const { code, stderr } = tryPlugin(sandbox, {
        command: "ADD",
        config,
        netns,
        env,
        ifName: "lo",
      });
      assertEquals(code, 0, endpoint);
      assertMatch(stderr, /^OpenTelemetry: .*\n$/, endpoint);
    }
  },
);

kernelTest("OpenTelemetry: a mistake of a plugin's code comes with its stack", async () => {
  using collector = await Collector.start();
  const mistaken = definePlugin({
    name: "mistaken",
    add: () => {
      throw new TypeError("of the code");
    },
    del: () => {},
    check: () => {},
    gc: () => {},
    status: () => {},
  });
  const env = {
    CNI_COMMAND: "STATUS",
    CNI_PATH: "/none",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  };
  const stdin = () => JSON.stringify({ cniVersion: "1.1.0", name: "net", type: "mistaken" });
  const spansOf = async (env: Record<string, string>) => {
    const { requests } = await untilReceived(
      collector,
      (TRACEPARENT) => dispatch(mistaken, { env: { ...env, TRACEPARENT }, stdin }),
    );
    return spansIn(requests);
  };
  const [status] = await spansOf(env);
  assertEquals([status.name, status.events], ["mistaken STATUS", []]);
  const attachment = { CNI_CONTAINERID: "c", CNI_IFNAME: "eth0", CNI_NETNS: "/none" };
  const [added] = await spansOf({ ...env, ...attachment, CNI_COMMAND: "ADD" });
  assertEquals([added.name, added.events.length], ["mistaken ADD", 1]);
  const exception = attributesOf(added.events[0]);
  assertEquals(exception["exception.type"], "TypeError");
  assertMatch(String(exception["exception.stacktrace"]), /of the code\n\s+at /);
});
