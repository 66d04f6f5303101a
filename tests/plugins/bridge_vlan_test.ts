import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { ping } from "../../scripts/support/ping.ts";
import { plugin, pluginError, tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const needs = ["kernel:bridge-vlan"];
const base = { cniVersion: "1.1.0", name: "vlans", type: "bridge", bridge: "br0" };

/** A configuration with one address of 10.9.0.0/24. */
const addressed = (last: number, more: Record<string, unknown>): Record<string, unknown> => ({
  ...base,
  ipam: { type: "static", addresses: [{ address: `10.9.0.${last}/24` }] },
  ...more,
});

/** A port's VLANs: `100 PVID Egress Untagged`. */
function vlansOf(sandbox: Sandbox, port: string): string[] {
  return sandbox.bridge(`vlan show dev ${port}`)[0].vlans
    .map(({ vlan, flags = [] }: { vlan: number; flags?: string[] }) => [vlan, ...flags].join(" "));
}

/** Attaches a new container, checks it with CHECK; returns its namespace and its port's VLANs. */
function attach(sandbox: Sandbox, config: Record<string, unknown>) {
  const netns = sandbox.container();
  const containerId = netns.path.replace(/.*\//, "");
  const result = plugin(sandbox, { command: "ADD", config, netns, containerId });
  const check = {
    command: "CHECK",
    config: { ...config, prevResult: result },
    netns,
    containerId,
  } as const;
  plugin(sandbox, check);
  const port: string = result.interfaces[1].name;
  return { netns, containerId, result, check, port, vlans: vlansOf(sandbox, port) };
}

kernelTest("bridge: vlan puts the container's untagged frames into it", (sandbox) => {
  const { vlans } = attach(sandbox, { ...base, vlan: 100 });
  assertEquals(vlans, ["100 PVID Egress Untagged"]);
  const [bridge] = sandbox.ip("-d link show dev br0");
  assertEquals(bridge.linkinfo.info_data.vlan_filtering, 1);
}, { needs });

kernelTest("bridge: preserveDefaultVlan keeps VLAN 1 beside it", (sandbox) => {
  const { vlans } = attach(sandbox, { ...base, vlan: 100, preserveDefaultVlan: true });
  assertEquals(vlans, ["1 Egress Untagged", "100 PVID Egress Untagged"]);
}, { needs });

kernelTest("bridge: vlanTrunk takes ranges and single VLANs, each once", (sandbox) => {
  const vlanTrunk = [{ minID: 20, maxID: 22 }, { id: 5 }, { minID: 22, maxID: 23, id: 7 }];
  const trunk = ["5", "7", "20", "21", "22", "23"];
  assertEquals(attach(sandbox, { ...base, vlanTrunk, vlan: 100 }).vlans, [
    ...trunk,
    "100 PVID Egress Untagged",
  ]);
  // Without a VLAN of their own untagged frames go into VLAN 1.
  assertEquals(attach(sandbox, { ...base, vlanTrunk }).vlans, [
    "1 PVID Egress Untagged",
    ...trunk,
  ]);
  // The VLAN of untagged frames stays that, though the trunk names it too.
  assertEquals(attach(sandbox, { ...base, vlanTrunk, vlan: 21 }).vlans, [
    "5",
    "7",
    "20",
    "21 PVID Egress Untagged",
    "22",
    "23",
  ]);
  const all = attach(sandbox, { ...base, vlanTrunk: [{ minID: 1, maxID: 4094 }] }).vlans;
  assertEquals([all.length, all[0], all[4093]], [4094, "1 PVID Egress Untagged", "4094"]);
}, { needs });

kernelTest("bridge: an empty vlanTrunk makes the bridge filter, and no more", (sandbox) => {
  const { vlans } = attach(sandbox, { ...base, vlanTrunk: [] });
  assertEquals(vlans, ["1 PVID Egress Untagged"]);
  assertEquals(sandbox.ip("-d link show dev br0")[0].linkinfo.info_data.vlan_filtering, 1);
}, { needs });

kernelTest("bridge: containers of different VLANs do not reach each other", (sandbox) => {
  const [a, b, c] = [100, 100, 200].map((vlan, index) =>
    attach(sandbox, addressed(index + 2, { vlan })).netns
  ) as [NetNs, NetNs, NetNs];
  assert(ping(a, "10.9.0.3"));
  assertEquals(ping(a, "10.9.0.4", { attempts: 2 }), undefined);
  assertEquals(ping(c, "10.9.0.2", { attempts: 2 }), undefined);
  assert(ping(b, "10.9.0.2"));
}, { needs });

kernelTest("bridge: a trunk carries tagged frames", (sandbox) => {
  attach(sandbox, addressed(2, { vlan: 100 }));
  attach(sandbox, addressed(3, { vlan: 200 }));
  const { netns } = attach(sandbox, { ...base, vlanTrunk: [{ minID: 100, maxID: 101 }] });
  for (const id of ["100", "200"]) {
    const device = `eth0.${id}`;
    const link = ["link", "add", "link", "eth0", "name", device, "type", "vlan", "id", id];
    sandbox.run("ip", link, { netns });
    sandbox.run("ip", ["link", "set", device, "up"], { netns });
  }
  sandbox.run("ip", ["address", "add", "10.9.0.9/24", "dev", "eth0.100"], { netns });
  assert(ping(netns, "10.9.0.2"));
  sandbox.run("ip", ["address", "flush", "dev", "eth0.100"], { netns });
  sandbox.run("ip", ["address", "add", "10.9.0.9/24", "dev", "eth0.200"], { netns });
  assertEquals(ping(netns, "10.9.0.3", { attempts: 2 }), undefined, "200 is not in the trunk");
}, { needs: [...needs, "kernel:vlan"] });

kernelTest("bridge: the gateway of a VLAN has an interface of its own", (sandbox) => {
  const ipam = (last: number) => ({
    type: "static",
    addresses: [{ address: `10.9.0.${last}/24` }, { address: `fd00:9::${last}/64` }],
  });
  const config = { ...base, vlan: 100, isDefaultGateway: true, mtu: 1400 };
  const first = attach(sandbox, { ...config, ipam: ipam(2) });
  assertEquals(first.result.interfaces[3], { name: "br0.100", mac: "0a:58:0a:09:00:01" });
  assertEquals(first.result.ips.map((ip: { gateway: string }) => ip.gateway), [
    "10.9.0.1",
    "fd00:9::1",
  ]);
  const addresses = (device: string) =>
    sandbox.ip(`address show dev ${device}`)[0].addr_info
      .filter(({ scope }: { scope: string }) => scope === "global")
      .map((a: { local: string; prefixlen: number }) => `${a.local}/${a.prefixlen}`);
  assertEquals(addresses("br0.100"), ["10.9.0.1/24", "fd00:9::1/64"]);
  assertEquals(addresses("br0"), []);
  const gateway = sandbox.ip("-d link show dev br0.100")[0];
  assertEquals([gateway.mtu, gateway.operstate, gateway.linkinfo.info_kind], [1400, "UP", "veth"]);
  assertEquals(vlansOf(sandbox, gateway.link), ["100 PVID Egress Untagged"]);

  const second = attach(sandbox, { ...config, ipam: ipam(3) });
  assertEquals(second.result.interfaces[3], first.result.interfaces[3]);
  for (const target of ["10.9.0.1", "10.9.0.3", "fd00:9::1", "fd00:9::3"]) {
    assert(ping(first.netns, target), target);
  }
  // Another VLAN has another gateway.
  const elsewhere = { type: "static", addresses: [{ address: "10.8.0.2/24" }] };
  const other = attach(sandbox, { ...config, vlan: 200, ipam: elsewhere });
  assertEquals(other.result.interfaces[3].name, "br0.200");
  assert(ping(other.netns, "10.8.0.1"));

  sandbox.run("ip", ["address", "del", "10.9.0.1/24", "dev", "br0.100"]);
  assertStringIncludes(pluginError(sandbox, first.check).msg, "br0.100 has lost");
}, { needs });

kernelTest("bridge: a failing ADD removes the gateway of its VLAN, and the bridge", (sandbox) => {
  const config = addressed(2, {
    vlan: 100,
    isGateway: true,
    ipMasq: true,
    ipMasqBackend: "iptables",
  });
  const netns = sandbox.container();
  // Masquerading comes last, and fails without iptables.
  pluginError(sandbox, { command: "ADD", config, netns, env: { PATH: "/nowhere" } });
  assertEquals([sandbox.links(), sandbox.links(netns)], [[], []]);

  const { ipMasq: _, ...working } = config;
  const { netns: kept } = attach(sandbox, working);
  const another = { ...config, ipam: addressed(3, {}).ipam };
  pluginError(sandbox, { command: "ADD", config: another, netns, env: { PATH: "/nowhere" } });
  assert(ping(kept, "10.9.0.1"), "what others use stays");
}, { needs });

kernelTest("bridge: DEL of a container in a VLAN leaves the bridge and its gateway", (sandbox) => {
  const config = addressed(2, { vlan: 100, isGateway: true });
  const { netns, containerId, port } = attach(sandbox, config);
  for (let again = 0; again < 2; again++) {
    plugin(sandbox, { command: "DEL", config, netns, containerId });
    assertEquals(sandbox.links(netns), []);
    assertEquals([sandbox.links().includes(port), sandbox.links().includes("br0.100")], [
      false,
      true,
    ]);
  }
}, { needs });

kernelTest("bridge: CHECK sees VLANs that are missing, changed or more", (sandbox) => {
  const { port, check } = attach(sandbox, { ...base, vlan: 100, vlanTrunk: [{ id: 5 }] });
  const bridge = (args: string) => sandbox.run("bridge", args.split(" "));
  const fails = (words: string) => assertStringIncludes(pluginError(sandbox, check).msg, words);
  bridge(`vlan del dev ${port} vid 5`);
  fails(`${port} has VLANs 100 PVID untagged, but should have 100 PVID untagged, 5`);
  bridge(`vlan add dev ${port} vid 5 pvid`);
  fails("5 PVID");
  bridge(`vlan add dev ${port} vid 100 pvid untagged`);
  bridge(`vlan add dev ${port} vid 5`);
  plugin(sandbox, check);
  bridge(`vlan add dev ${port} vid 6`);
  fails("5, 6, 100 PVID untagged, but");
}, { needs });

kernelTest("bridge: a bridge that filters no VLANs is used, with a warning", (sandbox) => {
  sandbox.run("ip", ["link", "add", "br0", "type", "bridge"]);
  const netns = sandbox.container();
  const reply = tryPlugin(sandbox, { command: "ADD", config: { ...base, vlan: 100 }, netns });
  assertEquals(reply.code, 0, reply.stdout);
  assertStringIncludes(reply.stderr, "ip link set br0 type bridge vlan_filtering 1");
  assertEquals(sandbox.ip("-d link show dev br0")[0].linkinfo.info_data.vlan_filtering, 0);
  assertEquals(vlansOf(sandbox, reply.json.interfaces[1].name), ["100 PVID Egress Untagged"]);
}, { needs });
