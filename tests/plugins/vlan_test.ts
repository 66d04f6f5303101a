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

const options = { needs: ["kernel:vlan"] };

const config = {
  cniVersion: "1.1.0",
  name: NETWORK,
  type: "vlan",
  master: "up0",
  vlanId: 5,
  ipam: hostLocal,
};
const single = { ...config, ipam: staticAddress("10.7.0.9/24") };

kernelTest(
  "vlan: ADD makes what it says, and its frames leave the master with the tag",
  (sandbox) => {
    addUplink(sandbox);
    using wire = new Capture("up1");
    const netns = sandbox.container();
    const full = { ...config, mtu: 1400, dns: { nameservers: ["10.7.0.1"] } };
    const result = plugin(sandbox, { command: "ADD", config: full, netns });
    const [link] = sandbox.ip("-d link show dev eth0", netns);
    assertEquals([link.mtu, link.linkinfo.info_kind], [1400, "vlan"]);
    assertEquals(link.linkinfo.info_data.id, 5);
    assertEquals(result.interfaces, [{ mac: link.address, name: "eth0", sandbox: netns.path }]);
    assertEquals([result.dns, result.routes], [full.dns, hostLocal.routes]);
    assertEquals(addressesOf(sandbox, "eth0", netns), ["10.7.0.2/24", "fd00:7::2/64"]);
    plugin(sandbox, { command: "CHECK", config: { ...full, prevResult: result }, netns });

    const arp = wire.find((frame) => isArpAnnouncement(frame, [10, 7, 0, 2]));
    const advertisement = wire.find((frame) => isAdvertisement(frame, [0xfd, 0, 0, 7]));
    assertEquals([arp?.vlan, advertisement?.vlan], [5, 5]);
    const echo = [10, 7, 0, 1];
    ping(netns, "10.7.0.1", { attempts: 1 });
    const question = wire.find(({ bytes }) => echo.every((byte, i) => bytes[38 + i] === byte));
    assertExists(question);
    assertEquals(question.vlan, 5);
  },
  options,
);

kernelTest("vlan: who is on the same VLAN of the wire is reached, who is not is not", (sandbox) => {
  addUplink(sandbox);
  const [a, b, c] = [sandbox.container(), sandbox.container(), sandbox.container()];
  const add = (netns: typeof a, master: string, vlanId: number, last: number) =>
    plugin(sandbox, {
      command: "ADD",
      config: { ...config, master, vlanId, ipam: staticAddress(`10.7.0.${last}/24`) },
      netns,
    });
  add(a, "up0", 5, 11);
  add(b, "up1", 5, 12);
  add(c, "up1", 6, 13);
  assert(ping(a, "10.7.0.12") !== undefined);
  assertEquals(ping(a, "10.7.0.13", { attempts: 2 }), undefined);
}, options);

kernelTest("vlan: a VLAN in use says by whom", (sandbox) => {
  addUplink(sandbox);
  const [a, b] = [sandbox.container("first"), sandbox.container("second")];
  plugin(sandbox, { command: "ADD", config: single, netns: a, containerId: "a" });
  const fails = (words: string) => {
    const error = pluginError(sandbox, { command: "ADD", config: single, netns: b });
    assertStringIncludes(error.msg, words);
    assertEquals(sandbox.links(b), []);
  };
  fails(`VLAN 5 of up0 is already in use by vlan eth0 in ${a.path}`);
  plugin(sandbox, { command: "DEL", config: single, netns: a, containerId: "a" });
  sandbox.run("ip", "link add link up0 name up0.5 type vlan id 5".split(" "));
  fails("VLAN 5 of up0 is already in use by vlan up0.5 on the host");
}, options);

kernelTest("vlan: an interface of the same name on the host is not in the way", (sandbox) => {
  addUplink(sandbox);
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"]);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: { ...single, mtu: 1300 }, netns });
  const [link] = sandbox.ip("-d link show dev eth0", netns);
  assertEquals([link.linkinfo.info_kind, link.mtu], ["vlan", 1300]);
  assertEquals(sandbox.links(netns), ["eth0"]);
  assertEquals(sandbox.ip("-d link show dev eth0")[0].linkinfo.info_kind, "bridge");
}, options);

kernelTest("vlan: on a master inside the container", (sandbox) => {
  const netns = sandbox.container();
  addUplink(sandbox, netns);
  const inside = { ...single, linkInContainer: true };
  const prevResult = plugin(sandbox, { command: "ADD", config: inside, netns });
  assertEquals(sandbox.ip("link show dev eth0", netns)[0].link, "up0");
  plugin(sandbox, { command: "CHECK", config: { ...inside, prevResult }, netns });
  for (const path of [netns, "/run/netns/gone", ""]) {
    plugin(sandbox, { command: "DEL", config: inside, netns: path });
  }
  assertEquals(sandbox.links(netns).sort(), ["up0", "up1"]);
}, options);

kernelTest("vlan: DEL with the master, the namespace or the link gone", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals([sandbox.links(netns), reservations(NETWORK)], [[], []]);
  plugin(sandbox, { command: "ADD", config, netns });
  sandbox.run("ip", ["link", "del", "up0"]); // takes the VLAN along
  plugin(sandbox, { command: "DEL", config, netns: "" });
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals(reservations(NETWORK), []);
}, options);

kernelTest("vlan: a failing ADD leaves nothing behind", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const failures: [Record<string, unknown>, string][] = [
    [{ ...config, master: undefined }, '"master" field is required'],
    [{ ...config, master: "nope" }, "Link not found"],
    [{ ...config, vlanId: 4095 }, "vlanId"],
    [{ ...config, mtu: 9000 }, "invalid MTU 9000, must be [0, master MTU(1500)]"],
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

kernelTest("vlan: CHECK sees what is different", (sandbox) => {
  addUplink(sandbox);
  const netns = sandbox.container();
  const prevResult = plugin(sandbox, { command: "ADD", config: single, netns });
  const fails = (words: string, more: Record<string, unknown> = {}) => {
    const checked = { ...single, prevResult, ...more };
    assertStringIncludes(
      pluginError(sandbox, { command: "CHECK", config: checked, netns }).msg,
      words,
    );
  };
  fails("Required prevResult missing", { prevResult: null });
  fails("VLAN ID", { vlanId: 6 });
  fails("MTU", { mtu: 1400 });
  fails("master", { master: "up1" });
  sandbox.run("ip", ["address", "flush", "dev", "eth0"], { netns });
  fails("10.7.0.9/24");
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  fails("eth0");
}, options);

kernelTest("vlan: STATUS wants the master, GC reaches IPAM", (sandbox) => {
  assertEquals(pluginError(sandbox, { command: "STATUS", config }).code, 50);
  addUplink(sandbox);
  plugin(sandbox, { command: "STATUS", config });
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  assertEquals(reservations(NETWORK), []);
}, options);
