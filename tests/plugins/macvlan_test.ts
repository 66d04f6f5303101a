import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { formatMac } from "../../lib/ip/mac.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
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
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const options = { needs: ["kernel:macvlan"] };

const config = {
  cniVersion: "1.1.0",
  name: NETWORK,
  type: "macvlan",
  master: "up0",
  ipam: hostLocal,
};
const layer2 = { ...config, ipam: {} };

kernelTest("macvlan: ADD makes what it says", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const dns = { nameservers: ["10.7.0.1"] };
  const full = { ...config, mtu: 1400, bcqueuelen: 50, bclim: 3, ipam: { ...hostLocal, dns } };
  const result = plugin(sandbox, { command: "ADD", config: full, netns });
  const mac = "0a:58:0a:07:00:02";
  assertEquals(result.interfaces, [{ name: "eth0", mac, sandbox: netns.path }]);
  assertEquals(result.ips, [
    { address: "10.7.0.2/24", gateway: "10.7.0.1", interface: 0 },
    { address: "fd00:7::2/64", gateway: "fd00:7::1", interface: 0 },
  ]);
  assertEquals(result.routes, hostLocal.routes);

  const [link] = sandbox.ip("-d link show dev eth0", netns);
  assertEquals([link.mtu, link.address], [1400, mac]);
  assertEquals([link.linkinfo.info_kind, link.linkinfo.info_data.mode], ["macvlan", "bridge"]);
  assertEquals(link.linkinfo.info_data.bcqueuelen, 50);
  assertEquals(addressesOf(sandbox, "eth0", netns), ["10.7.0.2/24", "fd00:7::2/64"]);
  assertEquals(sandbox.ip("route show default", netns)[0].gateway, "10.7.0.1");
  const sysctl = (key: string) => netns.run(() => Deno.readTextFileSync(`/proc/sys/net/${key}`));
  assertEquals(sysctl("ipv4/conf/eth0/arp_notify"), "1\n");
  assertEquals(sysctl("ipv6/conf/eth0/ndisc_notify"), "1\n");
  plugin(sandbox, { command: "CHECK", config: { ...full, prevResult: result }, netns });
}, options);

kernelTest(
  "macvlan: containers reach each other, and announce themselves on the wire",
  (sandbox) => {
    addUplink(sandbox);
    using wire = new Capture("up1");
    const [a, b] = [sandbox.container(), sandbox.container()];
    plugin(sandbox, { command: "ADD", config, netns: a, containerId: "a" });
    // The kernel's own, once: a packet socket of ours would hold the ADD up.
    const frames = wire.collect(500);
    const arp = frames.filter((frame) => isArpAnnouncement(frame, [10, 7, 0, 2]));
    const advertised = frames.filter((frame) => isAdvertisement(frame, [0xfd, 0, 0, 7]));
    assertEquals([arp.length, advertised.length], [1, 1]);
    plugin(sandbox, { command: "ADD", config, netns: b, containerId: "b" });
    for (const target of ["10.7.0.3", "fd00:7::3"]) assert(ping(a, target) !== undefined, target);
  },
  options,
);

kernelTest(
  "macvlan: a neighbour's stale entry is corrected even where /proc/sys is read-only",
  (sandbox) => {
    addUplink(sandbox);
    using wire = new Capture("up1");
    const netns = sandbox.container();
    // Read-only, as in a container that itself runs containers.
    const sys = ["-o", "bind,ro", "/proc/sys", "/proc/sys"];
    sandbox.run("mount", sys);
    const ipam = {
      type: "static",
      addresses: [{ address: "10.7.0.9/24" }, { address: "fd00:7::9/64" }],
    };
    plugin(sandbox, { command: "ADD", config: { ...config, ipam }, netns });
    // IPv4: the kernel's, which netlink asks for. IPv6: a packet of ours, since only a sysctl does.
    const frames = wire.collect(500);
    const arp = frames.filter((frame) => isArpAnnouncement(frame, [10, 7, 0, 9]));
    const advertised = frames.filter((frame) => isAdvertisement(frame, [0xfd, 0, 0, 7]));
    assertEquals([arp.length, advertised.length], [1, 1]);
  },
  options,
);

kernelTest("macvlan: every mode", (sandbox) => {
  const master = "up0";
  for (const mode of ["", "bridge", "private", "vepa", "passthru"]) {
    const netns = sandbox.container();
    addUplink(sandbox);
    plugin(sandbox, { command: "ADD", config: { ...layer2, master, mode }, netns });
    const [link] = sandbox.ip("-d link show dev eth0", netns);
    assertEquals(link.linkinfo.info_data.mode, mode || "bridge");
    assert(link.flags.includes("UP"));
    sandbox.run("ip", ["link", "del", "up0"]);
  }
  const error = pluginError(sandbox, {
    command: "ADD",
    config: { ...config, mode: "source" },
    netns: sandbox.container(),
  });
  assertStringIncludes(error.msg, "mode");
}, options);

kernelTest("macvlan: passthru makes the master promiscuous only without addresses", (sandbox) => {
  const promiscuity = () => sandbox.ip("-d link show dev up0")[0].promiscuity;
  addUplink(sandbox);
  for (const [ipam, wanted] of [[{}, 1], [hostLocal, 0]] as const) {
    const netns = sandbox.container();
    const passthru = { ...config, ipam, mode: "passthru" };
    const master = sandbox.ip("link show dev up0")[0].address;
    const result = plugin(sandbox, { command: "ADD", config: passthru, netns });
    assertEquals(promiscuity(), wanted);
    assertEquals(result.interfaces[0].mac, master);
    plugin(sandbox, { command: "DEL", config: passthru, netns });
    assertEquals(promiscuity(), 0);
  }
}, options);

kernelTest("macvlan: passthru lends the master the MAC address that is asked for", (sandbox) => {
  addUplink(sandbox);
  const master = () => sandbox.ip("link show dev up0")[0].address;
  const own = master();
  for (const ipam of [{}, hostLocal]) {
    const netns = sandbox.container();
    const mac = "02:00:00:00:00:07";
    const passthru = { ...config, ipam, mode: "passthru", mac };
    const prevResult = plugin(sandbox, { command: "ADD", config: passthru, netns });
    assertEquals(prevResult.interfaces[0].mac, mac);
    assertEquals([sandbox.ip("link show dev eth0", netns)[0].address, master()], [mac, mac]);
    plugin(sandbox, { command: "CHECK", config: { ...passthru, prevResult }, netns });
    plugin(sandbox, { command: "DEL", config: passthru, netns });
    assertEquals(master(), own);
  }
}, options);

kernelTest("macvlan: bclim, where the kernel has it", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const limited = { ...layer2, bclim: 3 };
  const prevResult = plugin(sandbox, { command: "ADD", config: limited, netns });
  const checked = { ...limited, prevResult };
  plugin(sandbox, { command: "CHECK", config: checked, netns });
  using inside = Rtnl.open(netns); // iproute2 need not know it yet
  const { bcCutoff } = inside.link.get("eth0").data;
  if (!isSince(6, 4)) return assertEquals(bcCutoff, undefined);
  assertEquals(bcCutoff, 3);
  const wrong = { command: "CHECK" as const, config: { ...checked, bclim: 5 }, netns };
  assertStringIncludes(pluginError(sandbox, wrong).msg, "bclim 3, it should be 5");
}, options);

kernelTest("macvlan: the MAC address from all its sources, the strongest wins", (sandbox) => {
  addUplink(sandbox);
  const add = (more: Record<string, unknown>, args = "") => {
    const netns = sandbox.container();
    const call = { config: { ...layer2, ...more }, netns, args };
    const { interfaces } = plugin(sandbox, { command: "ADD", ...call });
    assertEquals(sandbox.ip("link show dev eth0", netns)[0].address, interfaces[0].mac);
    return interfaces[0].mac;
  };
  const mac = (last: number) => `02:00:00:00:00:0${last}`;
  assertEquals(add({ mac: mac(1) }), mac(1));
  assertEquals(add({ mac: mac(9) }, `IgnoreUnknown=1;K8S=x;MAC=${mac(2)}`), mac(2));
  const runtimeConfig = { mac: mac(3) };
  assertEquals(add({ mac: mac(9), runtimeConfig }, `MAC=${mac(9)}`), mac(3));
  const ipam = staticAddress("10.7.0.9/24");
  assertEquals(add({ mac: mac(4), ipam }), mac(4));
}, options);

kernelTest(
  "macvlan: the master of the default route, on the host and in the container",
  (sandbox) => {
    const { master: _, ...defaultMaster } = layer2;
    const netns = sandbox.container();
    const call = { command: "ADD" as const, netns };
    const none = pluginError(sandbox, { ...call, config: defaultMaster });
    assertStringIncludes(none.msg, "no default route interface found on the host");
    addUplink(sandbox);
    sandbox.run("ip", ["route", "add", "default", "dev", "up0"]);
    plugin(sandbox, { ...call, config: defaultMaster });
    const host = sandbox.ip("link show dev up0")[0].ifindex;
    assertEquals(sandbox.ip("link show dev eth0", netns)[0].link_index, host);

    const other = sandbox.container();
    addUplink(sandbox, other);
    sandbox.run("ip", ["-6", "route", "add", "default", "dev", "up0"], { netns: other });
    const config = { ...defaultMaster, linkInContainer: true };
    const prevResult = plugin(sandbox, { ...call, netns: other, config });
    assertEquals(sandbox.ip("link show dev eth0", other)[0].link, "up0");
    plugin(sandbox, { command: "CHECK", netns: other, config: { ...config, prevResult } });
  },
  options,
);

kernelTest("macvlan: an interface of the same name on the host is not in the way", (sandbox) => {
  addUplink(sandbox);
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"]);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: { ...config, mtu: 1300 }, netns });
  const [link] = sandbox.ip("-d link show dev eth0", netns);
  assertEquals([link.linkinfo.info_kind, link.mtu], ["macvlan", 1300]);
  assertEquals(sandbox.links(netns), ["eth0"]);
  assertEquals(sandbox.ip("-d link show dev eth0")[0].linkinfo.info_kind, "bridge");
}, options);

kernelTest("macvlan: DEL with everything there, and with anything missing", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []]);
  for (const gone of [netns, "", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", config, netns: gone });
  }
  plugin(sandbox, { command: "ADD", config, netns });
  sandbox.run("ip", ["link", "del", "up0"]);
  plugin(sandbox, { command: "DEL", config, netns: "" });
  assertEquals(reservations(NETWORK), []);
  plugin(sandbox, { command: "DEL", config: layer2, netns });
}, options);

kernelTest("macvlan: DEL leaves another plugin's interface alone", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertStringIncludes(error.msg, "eth0 already exists in the container: a bridge");
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals(sandbox.links(netns), ["eth0"]);
}, options);

kernelTest("macvlan: a failing ADD leaves nothing behind", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const routes = [{ dst: "10.99.0.0/16", gw: "192.0.2.1" }];
  const failures: [Record<string, unknown>, string][] = [
    [{ ...config, master: "nope" }, "nope"],
    [{ ...config, mtu: 9000 }, "invalid MTU 9000, must be [0, master MTU(1500)]"],
    [{ ...config, mtu: "1500" }, "mtu"],
    [{ ...config, mac: "02:00" }, "02:00"],
    [{ ...config, mac: "01:00:00:00:00:01" }, "01:00:00:00:00:01"],
    [{ ...config, ipam: { type: "none" } }, "failed to find plugin"],
    [{ ...config, ipam: { ...hostLocal, routes } }, "192.0.2.1"],
    [{ ...layer2, cniVersion: "0.2.0" }, "no valid IP addresses"],
  ];
  for (const [wrong, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: wrong, netns });
    assertStringIncludes(error.msg, words);
    assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []], words);
  }
}, options);

kernelTest("macvlan: errors name the interface that is in the way", (sandbox) => {
  addUplink(sandbox);
  const [a, b] = [sandbox.container("first"), sandbox.container("second")];
  const mac = "02:00:00:00:00:01";
  plugin(sandbox, { command: "ADD", config: { ...layer2, mac }, netns: a });
  const fails = (more: Record<string, unknown>, words: string) => {
    const error = pluginError(sandbox, {
      command: "ADD",
      config: { ...layer2, ...more },
      netns: b,
    });
    assertStringIncludes(error.msg, words);
    assertEquals(sandbox.links(b), []);
  };
  fails({ mac }, `MAC address ${mac} is already in use by macvlan eth0 in ${a.path}`);
  fails({ mode: "passthru" }, `already in use by macvlan eth0 in ${a.path}`);
  sandbox.run("ip", ["link", "add", "br0", "type", "bridge"]);
  sandbox.run("ip", ["link", "set", "up1", "master", "br0"]);
  fails({ master: "up1" }, "already in use by bridge br0 on the host");
}, options);

kernelTest(
  "macvlan: a MAC address that nobody asked for gives way where it is taken",
  (sandbox) => {
    addUplink(sandbox);
    const ipam = staticAddress("10.7.0.9/24");
    const [a, b] = [sandbox.container("first"), sandbox.container("second")];
    const call = { command: "ADD" as const, config: { ...config, ipam } };
    const first = plugin(sandbox, { ...call, netns: a, containerId: "a" });
    assertEquals(first.interfaces[0].mac, "0a:58:0a:07:00:09");
    using wire = new Capture("up1");
    // A rolling update: the new pod comes before the old one goes.
    const prevResult = plugin(sandbox, { ...call, netns: b, containerId: "b" });
    const { mac } = prevResult.interfaces[0];
    assert(mac !== first.interfaces[0].mac);
    const [link] = sandbox.ip("address show dev eth0", b);
    assertEquals([link.address, link.flags.includes("UP")], [mac, true]);
    const announced = wire.find((frame) => isArpAnnouncement(frame, [10, 7, 0, 9]));
    assertEquals(announced && formatMac(announced.bytes.subarray(6, 12)), mac);
    const checked = { ...config, ipam, prevResult };
    plugin(sandbox, { command: "CHECK", config: checked, netns: b, containerId: "b" });

    const asked = { ...config, ipam: staticAddress("10.7.0.10/24"), mac: first.interfaces[0].mac };
    const netns = sandbox.container();
    const error = pluginError(sandbox, { command: "ADD", config: asked, netns, containerId: "c" });
    assertStringIncludes(error.msg, `${asked.mac} is already in use by macvlan eth0 in ${a.path}`);
    assertEquals(sandbox.links(netns), []);
  },
  options,
);

kernelTest("macvlan: CHECK sees what is different", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  const fails = (words: string, more: Record<string, unknown> = {}) => {
    const checked = { ...config, prevResult, ...more };
    const error = pluginError(sandbox, { command: "CHECK", config: checked, netns });
    assertStringIncludes(error.msg, words);
  };
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult }, netns });
  fails("Required prevResult missing", { prevResult: null });
  fails("mode", { mode: "vepa" });
  fails("MTU", { mtu: 1400 });
  fails("master", { master: "up1" });
  fails("nope", { master: "nope" });
  sandbox.run("ip", ["address", "del", "10.7.0.2/24", "dev", "eth0"], { netns });
  fails("10.7.0.2/24");
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:01"], { netns });
  fails("MAC");
  sandbox.run("ip", ["link", "set", "eth0", "down"], { netns });
  fails("MAC");
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  fails("eth0");
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  fails("not a macvlan");
}, options);

kernelTest("macvlan: STATUS wants the master, GC reaches IPAM", (sandbox) => {
  const error = pluginError(sandbox, { command: "STATUS", config });
  assertEquals(error.code, 50);
  assertStringIncludes(error.msg, "up0");
  plugin(sandbox, { command: "STATUS", config: { ...config, linkInContainer: true } });
  addUplink(sandbox);
  plugin(sandbox, { command: "STATUS", config });
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns, containerId: "stale" });
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  assertEquals(reservations(NETWORK), []);
}, options);

/** Whether the kernel is at least this one. */
function isSince(major: number, minor: number): boolean {
  const [ours = 0, minorOfOurs = 0] = Deno.osRelease().split(".").map(Number);
  return ours > major || (ours === major && minorOfOurs >= minor);
}

/** The global IPv6 addresses that no program could bind to yet. */
function tentative(sandbox: Sandbox, netns: NetNs): unknown[] {
  return sandbox.ip("-6 address show dev eth0", netns)[0].addr_info
    .filter((info: Record<string, unknown>) => info.scope === "global" && info.tentative);
}

kernelTest("macvlan: an IPv6 address can be used when ADD returns, gateway or none", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const ipam = staticAddress("fd00:8::2/64");
  plugin(sandbox, { command: "ADD", config: { ...config, ipam }, netns });
  assertEquals(tentative(sandbox, netns), []);
}, options);

kernelTest("macvlan: a master without carrier is no reason to wait", (sandbox) => {
  addUplink(sandbox);
  sandbox.run("ip", ["link", "set", "up1", "down"]);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  using inside = Rtnl.open(netns);
  const { carrier, parent } = inside.link.get("eth0");
  assertEquals([carrier, parent], [false, sandbox.ip("link show dev up0")[0].ifindex]);
  assertEquals(tentative(sandbox, netns).length, 1);
}, options);

kernelTest("macvlan: a gateway may be on the link by a route alone", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const routes = [{ dst: "198.51.100.1/32" }, { dst: "0.0.0.0/0", gw: "198.51.100.1" }];
  const ipam = { ...staticAddress("10.8.0.2/24"), routes };
  const call = { config: { ...config, ipam }, netns };
  const prevResult = plugin(sandbox, { command: "ADD", ...call });
  const shown = sandbox.ip("route show", netns);
  assertEquals(
    shown.filter(({ protocol }) => protocol !== "kernel").map(({ dst, gateway, scope }) => [
      dst,
      gateway,
      scope,
    ]),
    [["default", "198.51.100.1", undefined], ["198.51.100.1", undefined, "link"]],
  );
  plugin(sandbox, { command: "CHECK", netns, config: { ...call.config, prevResult } });
}, options);

kernelTest("macvlan: without a master, of several next hops' interfaces the first", (sandbox) => {
  addUplink(sandbox);
  const ip = (args: string) => sandbox.run("ip", args.split(" "));
  for (const n of [0, 1]) ip(`address add 192.0.2.${n + 1}/24 dev up${n}`);
  ip("route add default nexthop via 192.0.2.8 dev up1 nexthop via 192.0.2.9 dev up0");
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: { ...layer2, master: "" }, netns });
  const [link] = sandbox.ip("link show dev eth0", netns);
  assertEquals(link.link_index, sandbox.ip("link show dev up1")[0].ifindex);
}, options);
