import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ping } from "../../scripts/support/ping.ts";
import { addressesOf, hostLocal, reservations } from "../support/network.ts";
import { NETWORK } from "../support/link_plugins.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const options = { needs: ["kernel:dummy"] };

const dns = { nameservers: ["10.7.0.53"] };
const resolvConf = "/run/test/resolv.conf";
const ipam = { ...hostLocal, resolvConf };
const config = { cniVersion: "1.1.0", name: NETWORK, type: "dummy", ipam };

kernelTest("dummy: ADD makes what it says, and DEL takes it away", (sandbox) => {
  Deno.writeTextFileSync(resolvConf, "nameserver 10.7.0.53\n");
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config, netns });
  const [link] = sandbox.ip("-d link show dev eth0", netns);
  assertEquals(link.linkinfo.info_kind, "dummy");
  assert(link.flags.includes("UP"));
  assertEquals(result.interfaces, [{ mac: link.address, name: "eth0", sandbox: netns.path }]);
  assertEquals(result.ips.map((ip: { interface: number }) => ip.interface), [0, 0]);
  assertEquals([result.dns, result.routes], [dns, hostLocal.routes]);
  assertEquals(addressesOf(sandbox, "eth0", netns), ["10.7.0.2/24", "fd00:7::2/64"]);
  sandbox.run("ip", ["link", "set", "lo", "up"], { netns });
  for (const target of ["10.7.0.2", "fd00:7::2"]) assert(ping(netns, target) !== undefined, target);
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });

  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []]);
  for (const gone of [netns, "", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", config, netns: gone });
  }
  plugin(sandbox, { command: "DEL", config: { ...config, ipam: {} }, netns });
}, options);

kernelTest("dummy: a failing ADD leaves nothing behind", (sandbox) => {
  const netns = sandbox.container();
  const routes = [{ dst: "10.99.0.0/16", gw: "192.0.2.1" }];
  const failures: [Record<string, unknown>, string][] = [
    [{ ...config, ipam: {} }, "no plugin name provided"],
    [{ ...config, ipam: { ...hostLocal, routes } }, "192.0.2.1"],
  ];
  for (const [wrong, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: wrong, netns });
    assertStringIncludes(error.msg, words);
    assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []], words);
  }
}, options);

kernelTest("dummy: CHECK sees what is different, routes too", (sandbox) => {
  const netns = sandbox.container();
  const checked = { ...config, ipam: hostLocal };
  const prevResult = plugin(sandbox, { command: "ADD", config: checked, netns });
  const fails = (words: string) => {
    const call = { command: "CHECK" as const, config: { ...checked, prevResult }, netns };
    assertStringIncludes(pluginError(sandbox, call).msg, words);
  };
  sandbox.run("ip", ["route", "del", "default"], { netns });
  fails("Expected Route 0.0.0.0/0");
  sandbox.run("ip", ["address", "del", "10.7.0.2/24", "dev", "eth0"], { netns });
  fails("10.7.0.2/24");
  sandbox.run("ip", ["link", "set", "eth0", "down"], { netns });
  fails("Interface eth0 is down");
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:01"], { netns });
  fails("MAC");
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  fails("not a dummy");
}, options);

kernelTest("dummy: STATUS and GC reach IPAM", (sandbox) => {
  plugin(sandbox, { command: "STATUS", config: { ...config, ipam: hostLocal } });
  const error = pluginError(sandbox, {
    command: "STATUS",
    config: { ...config, ipam: { type: "none" } },
  });
  assertEquals(error.code, 50);
  const unnamed = { ...config, ipam: {} }; // as ADD says, too
  assertEquals(pluginError(sandbox, { command: "STATUS", config: unnamed }).code, 7);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: { ...config, ipam: hostLocal }, netns });
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  assertEquals(reservations(NETWORK), []);
}, options);
