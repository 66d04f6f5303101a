/** Interfaces by their alternative names, short ones and such as have more than 15 bytes. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { NetNs } from "../../lib/ns/netns.ts";
import { staticAddress } from "../support/network.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const NAMES = ["uplink-a", "enp0s0f0np0-with-a-long-name"];
const base = { cniVersion: "1.1.0", name: "n" };

/** A link of a kind, with the alternative names. */
function addLink(sandbox: Sandbox, name: string, kind: string, netns?: NetNs): void {
  const ip = (command: string) => sandbox.run("ip", command.split(" "), { netns });
  ip(`link add ${name} type ${kind}`);
  ip(`link set ${name} up`);
  for (const other of NAMES) ip(`link property add dev ${name} altname ${other}`);
}

/** ADD, CHECK, STATUS and DEL of a configuration. */
function roundTrip(
  sandbox: Sandbox,
  config: Record<string, unknown>,
  netns: NetNs,
  whileAttached: (result: { interfaces: { name: string; mac: string }[] }) => void,
): void {
  plugin(sandbox, { command: "STATUS", config });
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  whileAttached(prevResult);
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult }, netns });
  plugin(sandbox, { command: "DEL", config: { ...config, prevResult }, netns });
}

for (const type of ["macvlan", "ipvlan", "vlan"]) {
  kernelTest(`${type}: a master by an alternative name`, (sandbox) => {
    addLink(sandbox, "up0", "veth");
    const netns = sandbox.container();
    const ipam = staticAddress("10.9.0.5/24");
    for (const master of NAMES) {
      roundTrip(sandbox, { ...base, type, master, vlanId: 5, ipam }, netns, () => {
        const [link] = sandbox.ip("link show dev eth0", netns);
        assertEquals(link.link_index, sandbox.ip("link show dev up0")[0].ifindex);
      });
    }
    const config = { ...base, type, master: "enp0s0f1np0-which-nobody-has", vlanId: 5, ipam };
    assertStringIncludes(
      pluginError(sandbox, { command: "ADD", config, netns }).msg,
      `Link not found: there is no interface "${config.master}" on the host`,
    );
  }, { needs: [`kernel:${type}`] });
}

kernelTest("bridge: a bridge by an alternative name", (sandbox) => {
  addLink(sandbox, "br0", "bridge");
  const netns = sandbox.container();
  const ipam = staticAddress("10.9.0.5/24");
  for (const bridge of NAMES) {
    const config = { ...base, type: "bridge", bridge, isGateway: true, promiscMode: true, ipam };
    roundTrip(sandbox, config, netns, ({ interfaces: [first] }) => {
      const [link] = sandbox.ip("link show dev br0");
      assertEquals([first?.name, first?.mac], ["br0", link.address]);
      assertEquals(sandbox.ip("link show master br0").length, 1);
    });
  }
  const config = { ...base, type: "bridge", bridge: "a-bridge-to-be-made" };
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertEquals(error.code, 7);
  assertStringIncludes(error.msg, 'interface name is too long: "a-bridge-to-be-made"');
});

kernelTest("bridge: a gateway on a VLAN of a bridge by an alternative name", (sandbox) => {
  addLink(sandbox, "br0", "bridge vlan_filtering 1");
  const netns = sandbox.container();
  const ipam = staticAddress("10.9.0.5/24");
  for (const bridge of NAMES) {
    const config = { ...base, type: "bridge", bridge, isGateway: true, vlan: 5, ipam };
    roundTrip(sandbox, config, netns, ({ interfaces }) => {
      assertEquals([interfaces[0]!.name, interfaces.at(-1)!.name], ["br0", "br0.5"]);
    });
  }
}, { needs: ["kernel:bridge-vlan"] });

kernelTest("tap: a bridge in the container by an alternative name", (sandbox) => {
  const netns = sandbox.container();
  addLink(sandbox, "br0", "bridge", netns);
  for (const bridge of NAMES) {
    roundTrip(sandbox, { ...base, type: "tap", bridge }, netns, () => {
      assertEquals(sandbox.ip("link show dev eth0", netns)[0].master, "br0");
    });
  }
}, { needs: ["kernel:tap"] });

kernelTest("vrf: a VRF by an alternative name", (sandbox) => {
  const netns = sandbox.container();
  addLink(sandbox, "blue", "vrf table 10", netns);
  // A VRF stays as long as it has an interface.
  for (
    const command of ["add other type bridge", "set other master blue", "add eth0 type bridge"]
  ) {
    sandbox.run("ip", ["link", ...command.split(" ")], { netns });
  }
  const prevResult = { cniVersion: "1.1.0", interfaces: [{ name: "eth0", sandbox: netns.path }] };
  for (const vrfname of NAMES) {
    roundTrip(sandbox, { ...base, type: "vrf", vrfname, prevResult }, netns, () => {
      assertEquals(sandbox.ip("link show dev eth0", netns)[0].master, "blue");
    });
    assertEquals(sandbox.ip("link show dev eth0", netns)[0].master, undefined);
  }
}, { needs: ["kernel:vrf"] });
