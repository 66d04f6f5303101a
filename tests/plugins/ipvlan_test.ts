import { assert, assertEquals, assertExists, assertStringIncludes } from "@std/assert";
import { ping } from "../../scripts/support/ping.ts";
import { Capture, isAdvertisement, isArpAnnouncement } from "../support/capture.ts";
import {
  addressesOf,
  addUplink,
  hostLocal,
  reservations,
  staticAddress,
} from "../support/network.ts";
import { NETWORK } from "../support/link_plugins.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const options = { needs: ["kernel:ipvlan"] };

const config = {
  cniVersion: "1.1.0",
  name: NETWORK,
  type: "ipvlan",
  master: "up0",
  ipam: hostLocal,
};
const single = { ...config, ipam: staticAddress("10.7.0.9/24") };

kernelTest("ipvlan: ADD makes what it says, in every mode", (sandbox) => {
  for (const mode of ["", "l2", "l3", "l3s"]) {
    addUplink(sandbox);
    const netns = sandbox.container();
    const full = { ...single, mode, mtu: 1400, dns: { nameservers: ["10.7.0.1"] } };
    const result = plugin(sandbox, { command: "ADD", config: full, netns });
    const [link] = sandbox.ip("-d link show dev eth0", netns);
    const [master] = sandbox.ip("link show dev up0");
    assertEquals([link.mtu, link.address], [1400, master.address]);
    assertEquals([link.linkinfo.info_kind, link.linkinfo.info_data.mode], ["ipvlan", mode || "l2"]);
    assertEquals(result.interfaces, [{ mac: link.address, name: "eth0", sandbox: netns.path }]);
    assertEquals(result.ips, [{ address: "10.7.0.9/24", interface: 0 }]);
    assertEquals(result.dns, full.dns);
    plugin(sandbox, { command: "CHECK", config: { ...full, prevResult: result }, netns });
    sandbox.run("ip", ["link", "del", "up0"]);
  }
  const call = { command: "ADD" as const, config: { ...single, mode: "l4" } };
  const error = pluginError(sandbox, { ...call, netns: sandbox.container() });
  assertStringIncludes(error.msg, "mode");
}, options);

kernelTest(
  "ipvlan: containers reach each other, and announce themselves on the wire",
  (sandbox) => {
    addUplink(sandbox);
    using wire = new Capture("up1");
    const [a, b] = [sandbox.container(), sandbox.container()];
    plugin(sandbox, { command: "ADD", config, netns: a, containerId: "a" });
    assertExists(wire.find((frame) => isArpAnnouncement(frame, [10, 7, 0, 2])));
    assertExists(wire.find((frame) => isAdvertisement(frame, [0xfd, 0, 0, 7])));
    plugin(sandbox, { command: "ADD", config, netns: b, containerId: "b" });
    assertEquals(addressesOf(sandbox, "eth0", b), ["10.7.0.3/24", "fd00:7::3/64"]);
    for (const target of ["10.7.0.3", "fd00:7::3"]) assert(ping(a, target) !== undefined, target);
  },
  options,
);

kernelTest("ipvlan: l3 routes between subnets, and the wire's machines reach both", (sandbox) => {
  addUplink(sandbox);
  const router = sandbox.container("router");
  sandbox.run("ip", ["link", "set", "up1", "netns", "router"]);
  for (const command of ["link set up1 up", "address add 192.0.2.1/24 dev up1"]) {
    sandbox.run("ip", command.split(" "), { netns: router });
  }
  sandbox.run("ip", ["route", "add", "10.0.0.0/8", "dev", "up1"], { netns: router });
  const [a, b] = [sandbox.container(), sandbox.container()];
  const add = (netns: typeof a, address: string) => {
    const ipam = { ...staticAddress(address), routes: [{ dst: "0.0.0.0/0" }] };
    plugin(sandbox, { command: "ADD", config: { ...config, mode: "l3", ipam }, netns });
    assert(sandbox.ip("link show dev eth0", netns)[0].flags.includes("NOARP"));
    assertEquals(sandbox.ip("route show default", netns)[0].dev, "eth0");
  };
  add(a, "10.1.0.2/24");
  add(b, "10.2.0.2/24");
  assert(ping(a, "10.2.0.2") !== undefined);
  // In l3 mode nobody answers ARP for the containers: the router has to know the master's address.
  const [{ address }] = sandbox.ip("link show dev up0");
  for (const target of ["10.1.0.2", "10.2.0.2"]) {
    const entry = `neighbour replace ${target} lladdr ${address} dev up1`;
    sandbox.run("ip", entry.split(" "), { netns: router });
  }
  sandbox.run("ip", ["address", "add", "192.0.2.9/24", "dev", "up0"]); // who asks for the router
  for (const target of ["10.1.0.2", "10.2.0.2"]) assert(ping(router, target) !== undefined, target);
}, options);

kernelTest(
  "ipvlan: chained, on the interface and with the addresses of the plugin before",
  (sandbox) => {
    addUplink(sandbox);
    const netns = sandbox.container();
    const { master: _m, ipam: _i, ...chained } = config;
    const prevResult = {
      cniVersion: "1.1.0",
      interfaces: [{ name: "up0" }],
      ips: [{ address: "10.7.0.9/24", gateway: "10.7.0.1", interface: 0 }],
      routes: [{ dst: "0.0.0.0/0" }],
      dns: { nameservers: ["10.7.0.53"] },
    };
    const result = plugin(sandbox, { command: "ADD", config: { ...chained, prevResult }, netns });
    assertEquals([result.interfaces.length, result.interfaces[0].name], [1, "eth0"]);
    assertEquals([result.ips, result.dns], [prevResult.ips, prevResult.dns]);
    assertEquals(addressesOf(sandbox, "eth0", netns), ["10.7.0.9/24"]);
    assertEquals(sandbox.ip("route show default", netns)[0].gateway, "10.7.0.1");
    plugin(sandbox, { command: "CHECK", config: { ...chained, prevResult: result }, netns });
    for (const more of [{ prevResult: result }, {}]) {
      plugin(sandbox, { command: "DEL", config: { ...chained, ...more }, netns });
    }
    assertEquals(sandbox.links(netns), []);

    const two = { ...prevResult, interfaces: [{ name: "up0" }, { name: "up1" }] };
    const call = { command: "ADD" as const, config: { ...chained, prevResult: two }, netns };
    assertStringIncludes(pluginError(sandbox, call).msg, "chained master failure");
  },
  options,
);

kernelTest(
  "ipvlan: masters by default route and in the container; names taken on the host",
  (sandbox) => {
    const { master: _, ...defaultMaster } = single;
    const [a, b] = [sandbox.container(), sandbox.container()];
    const call = { command: "ADD" as const, netns: a };
    const none = pluginError(sandbox, { ...call, config: defaultMaster });
    assertStringIncludes(none.msg, "no default route interface found on the host");
    addUplink(sandbox);
    sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"]);
    sandbox.run("ip", ["route", "add", "default", "dev", "up0"]);
    plugin(sandbox, { ...call, config: defaultMaster });
    const { ifindex } = sandbox.ip("link show dev up0")[0];
    assertEquals(sandbox.ip("link show dev eth0", a)[0].link_index, ifindex);
    addUplink(sandbox, b);
    const inside = { ...single, linkInContainer: true };
    plugin(sandbox, { ...call, netns: b, config: inside });
    assertEquals(sandbox.ip("link show dev eth0", b)[0].link, "up0");
  },
  options,
);

kernelTest("ipvlan: errors name the interface that is in the way", (sandbox) => {
  addUplink(sandbox);
  const [a, b] = [sandbox.container("first"), sandbox.container("second")];
  plugin(sandbox, { command: "ADD", config: single, netns: a, containerId: "a" });
  const fails = (words: string, more: Record<string, unknown> = {}) => {
    const error = pluginError(sandbox, {
      command: "ADD",
      config: { ...single, ...more },
      netns: b,
    });
    assertStringIncludes(error.msg, words);
    assertEquals(sandbox.links(b), []);
  };
  fails(`the address is already in use by ipvlan eth0 in ${a.path}`);
  sandbox.run("ip", "link add link up1 name mv0 type macvlan".split(" "));
  fails("the parent is already in use by macvlan mv0 on the host", { master: "up1" });
}, { needs: ["kernel:ipvlan", "kernel:macvlan"] });

kernelTest("ipvlan: DEL with everything there, and with anything missing", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []]);
  plugin(sandbox, { command: "ADD", config, netns });
  sandbox.run("ip", ["link", "del", "up0"]);
  const { master: _, ...masterless } = config; // and no default route to find one by
  for (const gone of ["", "/run/netns/gone", netns]) {
    plugin(sandbox, { command: "DEL", config: masterless, netns: gone });
  }
  assertEquals(reservations(NETWORK), []);
}, options);

kernelTest("ipvlan: a failing ADD leaves nothing behind", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const failures: [Record<string, unknown>, string][] = [
    [{ ...config, master: "nope" }, "Link not found"],
    [{ ...config, ipam: {} }, "no plugin name provided"],
    [
      { ...config, ipam: { ...hostLocal, routes: [{ dst: "10.0.0.0/8", gw: "1.2.3.4" }] } },
      "1.2.3.4",
    ],
  ];
  for (const [wrong, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: wrong, netns });
    assertStringIncludes(error.msg, words);
    assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []], words);
  }
}, options);

kernelTest("ipvlan: CHECK sees what is different; STATUS and GC", (sandbox) => {
  assertEquals(pluginError(sandbox, { command: "STATUS", config }).code, 50);
  addUplink(sandbox);
  plugin(sandbox, { command: "STATUS", config });
  const netns = sandbox.container();
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  const fails = (words: string, more: Record<string, unknown> = {}) => {
    const checked = { ...config, prevResult, ...more };
    assertStringIncludes(
      pluginError(sandbox, { command: "CHECK", config: checked, netns }).msg,
      words,
    );
  };
  fails("mode", { mode: "l3" });
  fails("MTU", { mtu: 1400 });
  fails("master", { master: "up1" });
  sandbox.run("ip", ["address", "del", "10.7.0.2/24", "dev", "eth0"], { netns });
  fails("10.7.0.2/24");
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  assertEquals(reservations(NETWORK), []);
}, options);
