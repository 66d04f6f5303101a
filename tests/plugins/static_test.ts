import { assertEquals, assertStringIncludes } from "@std/assert";
import * as plugins from "../support/plugins.ts";
import type { PluginCall } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** Addresses are given whatever the namespace. */
const netns = "/none";
const plugin = (sandbox: Sandbox, call: PluginCall) => plugins.plugin(sandbox, { netns, ...call });
const tryPlugin = (sandbox: Sandbox, call: PluginCall) =>
  plugins.tryPlugin(sandbox, { netns, ...call });
const pluginError = (sandbox: Sandbox, call: PluginCall) =>
  plugins.pluginError(sandbox, { netns, ...call });

const ipam = {
  type: "static",
  addresses: [
    { address: "10.10.0.1/24", gateway: "10.10.0.254" },
    { address: "3ffe:ffff:0:1ff::1/64", gateway: "3ffe:ffff:0::1" },
  ],
  routes: [
    { dst: "0.0.0.0/0" },
    { dst: "192.168.0.0/16", gw: "10.10.5.1", mtu: 1400, priority: 7, table: 0, scope: 253 },
  ],
  dns: { nameservers: ["10.10.0.254"], domain: "example.org", search: ["a"], options: ["b"] },
};
const config = { cniVersion: "1.1.0", name: "fixed", type: "static", ipam };

kernelTest("static: ADD prints what is configured", (sandbox) => {
  const reply = tryPlugin(sandbox, { command: "ADD", config });
  assertEquals(reply.json, {
    cniVersion: "1.1.0",
    ips: [
      { address: "10.10.0.1/24", gateway: "10.10.0.254" },
      { address: "3ffe:ffff:0:1ff::1/64", gateway: "3ffe:ffff::1" },
    ],
    routes: ipam.routes,
    dns: ipam.dns,
  });
  const old = plugin(sandbox, {
    command: "ADD",
    config: { ...config, cniVersion: "0.2.0" },
  });
  assertEquals([old.ip4.ip, old.ip6.gateway], ["10.10.0.1/24", "3ffe:ffff::1"]);
  const noGateway = {
    ...config,
    ipam: { ...ipam, addresses: [{ address: "10.10.0.1/24", gateway: "" }] },
  };
  assertEquals(plugin(sandbox, { command: "ADD", config: noGateway }).ips, [{
    address: "10.10.0.1/24",
  }]);
  const empty = { ...config, ipam: { type: "static" } };
  assertEquals(plugin(sandbox, { command: "ADD", config: empty }), { cniVersion: "1.1.0" });
});

kernelTest("static: CNI_ARGS adds, args replaces, the capability replaces that", (sandbox) => {
  const ips = (extra: object, args = "") =>
    plugin(sandbox, { command: "ADD", config: { ...config, ...extra }, args }).ips;
  const args = "IgnoreUnknown=1;K8S=x;IP=10.20.0.1/24, 10.30.0.1/24;GATEWAY=10.20.0.9,10.10.0.9";
  assertEquals(ips({}, args).slice(2), [
    { address: "10.20.0.1/24", gateway: "10.20.0.9" },
    { address: "10.30.0.1/24" },
  ]);
  assertEquals(ips({}, args)[0], { address: "10.10.0.1/24", gateway: "10.10.0.254" });
  const asked = { args: { cni: { ips: ["10.40.0.1/24"] } } };
  assertEquals(ips(asked, args), [{ address: "10.40.0.1/24" }]);
  const wished = { ...asked, runtimeConfig: { ips: ["10.50.0.1/16", "fd00::5/64"] } };
  assertEquals(ips(wished, args), [{ address: "10.50.0.1/16" }, { address: "fd00::5/64" }]);
});

kernelTest("static: CHECK compares gateways, the other commands have nothing to do", (sandbox) => {
  const prevResult = plugin(sandbox, { command: "ADD", config });
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult } });
  prevResult.ips[0].gateway = "10.10.0.253";
  const moved = pluginError(sandbox, { command: "CHECK", config: { ...config, prevResult } });
  assertEquals(moved.code, 999);
  assertStringIncludes(moved.msg, "static: Failed to match addr 10.10.0.1/24 on interface eth0");
  assertEquals(pluginError(sandbox, { command: "CHECK", config }).code, 7);
  for (const command of ["DEL", "STATUS", "GC"] as const) {
    const valid = { ...config, "cni.dev/valid-attachments": [] };
    assertEquals(tryPlugin(sandbox, { command, config: valid }).stdout, "");
  }
});

kernelTest(
  "static: DEL and GC have nothing to do, however wrong the configuration is",
  (sandbox) => {
    const wrong = { ...config, ipam: { ...ipam, addresses: [{ address: "10.1.1.1" }] } };
    assertEquals(pluginError(sandbox, { command: "ADD", config: wrong }).code, 7);
    plugin(sandbox, { command: "DEL", config: wrong }); // as follows every failed ADD
    plugin(sandbox, { command: "GC", config: { ...wrong, "cni.dev/valid-attachments": [] } });
  },
);

kernelTest("static: bad input names the field, its value and what it should be", (sandbox) => {
  const fails = (code: number, message: string, change: object, args = "") => {
    const error = pluginError(sandbox, {
      command: "ADD",
      config: { ...config, ...change },
      args,
    });
    assertEquals(error.code, code, error.msg);
    assertStringIncludes(error.msg, message);
  };
  fails(7, "IPAM config missing 'ipam' key", { ipam: null });
  const address = { ...ipam, addresses: [{ address: "10.1.1.1" }] };
  fails(7, '"ipam.addresses[0].address" is "10.1.1.1" (a string)', { ipam: address });
  fails(7, '"ipam.routes[0].dst" is missing', { ipam: { ...ipam, routes: [{ gw: "10.1.1.1" }] } });
  fails(7, '"runtimeConfig.ips[0]" is "10.1.1.1"', { runtimeConfig: { ips: ["10.1.1.1"] } });
  fails(4, "the 'ip' field is expected to be in CIDR notation, got: '10.1.1.1'", {}, "IP=10.1.1.1");
  fails(4, "invalid gateway address: x", {}, "IP=10.1.1.1/8;GATEWAY=x");
  fails(4, 'ARGS: unknown args ["ip=10.1.1.1/8"]', {}, "ip=10.1.1.1/8");
  const two = { ipam: { ...ipam, addresses: [ipam.addresses[0], { address: "10.3.0.1/24" }] } };
  fails(
    7,
    "CNI version 0.2.0 does not support more than 1 address per family",
    { ...two, cniVersion: "0.2.0" },
  );
});
