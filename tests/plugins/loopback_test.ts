import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SPEC_VERSIONS } from "../../lib/types/versions.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { kernelTest } from "../support/sandbox.ts";

const config = { cniVersion: "1.1.0", name: "lo-net", type: "loopback" };

kernelTest("loopback: ADD sets lo up and reports it, CHECK agrees, DEL sets it down", (sandbox) => {
  const netns = sandbox.container();
  assertEquals(plugin(sandbox, { command: "ADD", config, netns, ifName: "ignored0" }), {
    cniVersion: "1.1.0",
    interfaces: [{ mac: "00:00:00:00:00:00", name: "lo", sandbox: netns.path }],
    ips: [{ address: "127.0.0.1/8", interface: 0 }, { address: "::1/128", interface: 0 }],
  });
  assert(sandbox.ip("link show dev lo", netns)[0].flags.includes("UP"));
  plugin(sandbox, { command: "CHECK", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assert(!sandbox.ip("link show dev lo", netns)[0].flags.includes("UP"));
  const error = pluginError(sandbox, { command: "CHECK", config, netns });
  assertStringIncludes(error.msg, "Interface lo is down");
});

for (const cniVersion of SPEC_VERSIONS) {
  kernelTest(`loopback: a result of version ${cniVersion} has that version's form`, (sandbox) => {
    const result = plugin(sandbox, {
      command: "ADD",
      config: { ...config, cniVersion },
      netns: sandbox.container(),
    });
    assertEquals(result.cniVersion, cniVersion);
    const first = cniVersion < "0.3.0" ? result.ip4.ip : result.ips[0].address;
    assertEquals(first, "127.0.0.1/8");
    const family = cniVersion < "0.3.0" || cniVersion >= "1.0.0" ? undefined : "4";
    assertEquals(result.ips?.[0].version, family);
  });
}

kernelTest("loopback: DEL succeeds without a namespace", (sandbox) => {
  plugin(sandbox, { command: "DEL", config, netns: "" });
  plugin(sandbox, { command: "DEL", config, netns: "/run/netns/gone" });
});

kernelTest("loopback: prevResult is passed on", (sandbox) => {
  const prevResult = {
    cniVersion: "1.1.0",
    ips: [{ address: "10.1.0.2/16", gateway: "10.1.0.1" }],
  };
  const netns = sandbox.container();
  assertEquals(
    plugin(sandbox, { command: "ADD", config: { ...config, prevResult }, netns }),
    prevResult,
  );
});

kernelTest(
  "loopback: a foreign address on lo is refused by name, and lo goes down again",
  (sandbox) => {
    const netns = sandbox.container();
    sandbox.run("ip", ["address", "add", "10.9.9.9/32", "dev", "lo"], { netns });
    const error = pluginError(sandbox, { command: "ADD", config, netns });
    assertStringIncludes(error.msg, "10.9.9.9/32");
    assert(!sandbox.ip("link show dev lo", netns)[0].flags.includes("UP"));
  },
);

kernelTest(
  "loopback: the host's own namespace is not touched",
  (sandbox) => {
    const netns = "/proc/self/ns/net";
    assertEquals(pluginError(sandbox, { command: "ADD", config, netns }).code, 8);
    plugin(sandbox, { command: "DEL", config, netns });
    assert(sandbox.ip("link show dev lo")[0].flags.includes("UP"));
  },
);

kernelTest("loopback: a late DEL leaves a newer container's lo up", (sandbox) => {
  const isUp = (netns: NetNs) => sandbox.ip("link show dev lo", netns)[0].flags.includes("UP");
  const earlier = sandbox.container("pod");
  plugin(sandbox, { command: "ADD", config, netns: earlier, containerId: "earlier" });
  sandbox.run("ip", ["netns", "del", "pod"]);
  earlier[Symbol.dispose]();
  const netns = sandbox.container("pod");
  plugin(sandbox, { command: "ADD", config, netns, containerId: "newer" });
  plugin(sandbox, { command: "DEL", config, netns, containerId: "earlier" });
  assert(isUp(netns));
  plugin(sandbox, { command: "DEL", config, netns, containerId: "newer" });
  assert(!isUp(netns));
  assertEquals(sandbox.ip("link show dev lo", netns)[0].ifalias, undefined);
  sandbox.run("ip", ["link", "set", "lo", "up"], { netns }); // as the Go plugin leaves it
  plugin(sandbox, { command: "DEL", config, netns, containerId: "any" });
  assert(!isUp(netns));
});
