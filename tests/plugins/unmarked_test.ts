// What an ADD leaves on the host that was killed between making a link and giving it its alias.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { attachmentIfbName, hostVethName, ifbName } from "../../lib/ip/hash_names.ts";
import { networkGroup } from "../../lib/ip/mark.ts";
import { configOf, NETWORK, PAIRS, prepare } from "../support/link_plugins.ts";
import { reservations } from "../support/network.ts";
import { plugin, type PluginCall, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const attachment = { network: NETWORK, containerId: "killed", ifName: "eth0" };
const HOST_END = hostVethName(attachment);
const GROUP = networkGroup(NETWORK);

/** The host's ends of veth pairs, but for the uplink. */
function hostEnds(sandbox: Sandbox): string[] {
  return sandbox.ip("link show type veth").map(({ ifname }) => ifname)
    .filter((name) => !/^up/.test(name));
}

/** GC with no attachment that is valid. */
function gc(sandbox: Sandbox, config: PluginCall["config"], name = NETWORK): void {
  plugin(sandbox, {
    command: "GC",
    config: { ...config, name, "cni.dev/valid-attachments": [] },
  });
}

for (const link of PAIRS) {
  const { type } = link;
  const config = configOf(link);
  const call = { config, containerId: attachment.containerId };

  kernelTest(`${type}: the host's end is named after the attachment, and marked`, (sandbox) => {
    prepare(sandbox);
    const netns = sandbox.container();
    const result = plugin(sandbox, { command: "ADD", ...call, netns });
    assertEquals(hostEnds(sandbox), [HOST_END]);
    const [{ ifalias, group }] = sandbox.ip(`link show dev ${HOST_END}`);
    assertEquals([ifalias, group], [`cni:${NETWORK}/killed/eth0`, "default"]);
    const names = result.interfaces.map(({ name }: { name: string }) => name);
    assertStringIncludes(names.join(), HOST_END);
  });

  kernelTest(`${type}: names that are too long for an alias are found all the same`, (sandbox) => {
    prepare(sandbox);
    const network = NETWORK + "x".repeat(60);
    const long = { config: { ...config, name: network }, containerId: "c".repeat(200) };
    for (
      const remove of [
        () => plugin(sandbox, { command: "DEL", ...long, netns: "" }),
        () => gc(sandbox, config, network),
      ]
    ) {
      plugin(sandbox, { command: "ADD", ...long, netns: sandbox.container() });
      assertEquals(hostEnds(sandbox).length, 1);
      remove();
      assertEquals([hostEnds(sandbox), reservations(network)], [[], []]);
    }
  });

  kernelTest(`${type}: DEL and GC find a pair that was never marked`, (sandbox) => {
    prepare(sandbox);
    const leave = () => {
      const netns = sandbox.container();
      const pair = `link add ${HOST_END} group ${GROUP} type veth peer name eth0 netns`;
      sandbox.run("ip", [...pair.split(" "), netns.path.split("/").at(-1)!]);
      assertEquals(hostEnds(sandbox), [HOST_END]);
      return netns;
    };
    leave();
    gc(sandbox, config, `${NETWORK}2`);
    assertEquals(hostEnds(sandbox), [HOST_END]);
    gc(sandbox, config);
    assertEquals(hostEnds(sandbox), []);
    for (const path of ["", leave().path, "/run/netns/gone"]) {
      if (hostEnds(sandbox).length === 0) leave();
      plugin(sandbox, { command: "DEL", ...call, netns: path });
      assertEquals(hostEnds(sandbox), []);
    }
  });

  kernelTest(`${type}: pairs with names of before are found by their alias`, (sandbox) => {
    prepare(sandbox);
    const netns = sandbox.container();
    for (
      const remove of [
        () => plugin(sandbox, { command: "DEL", ...call, netns: "" }),
        () => gc(sandbox, config),
      ]
    ) {
      plugin(sandbox, { command: "ADD", ...call, netns });
      sandbox.run("ip", ["link", "set", HOST_END, "down"]);
      sandbox.run("ip", ["link", "set", HOST_END, "name", "veth01234567"]);
      remove();
      assertEquals([hostEnds(sandbox), sandbox.links(netns)], [[], []]);
    }
  });

  kernelTest(`${type}: somebody else's link of that name is not in the way`, (sandbox) => {
    prepare(sandbox);
    const netns = sandbox.container();
    sandbox.run("ip", ["link", "add", HOST_END, "type", "veth", "peer", "name", "up2"]);
    sandbox.run("ip", ["link", "set", HOST_END, "alias", "somebody else's"]);
    plugin(sandbox, { command: "ADD", ...call, netns });
    assertEquals(hostEnds(sandbox).length, 2);
    for (const path of [netns.path, ""]) {
      plugin(sandbox, { command: "DEL", ...call, netns: path });
      assertEquals(hostEnds(sandbox), [HOST_END]);
      if (path) plugin(sandbox, { command: "ADD", ...call, netns });
    }
  });
}

kernelTest(
  "bridge: a failing ADD takes back its own pair, not the attachment's other",
  (sandbox) => {
    const config = { ...configOf(PAIRS[0]!), ipam: {} };
    const [first, second] = [sandbox.container(), sandbox.container()];
    const call = { config, containerId: attachment.containerId };
    const prevResult = plugin(sandbox, { command: "ADD", ...call, netns: first });
    const refused = { ...config, cniVersion: "0.2.0" }; // whose result cannot do without an address
    pluginError(sandbox, { command: "ADD", ...call, config: refused, netns: second });
    assertEquals([sandbox.links(first), sandbox.links(second)], [["eth0"], []]);
    plugin(sandbox, { command: "CHECK", ...call, config: { ...config, prevResult }, netns: first });
  },
);

kernelTest("bandwidth: DEL and GC find ifbs that were never marked", (sandbox) => {
  const config = { cniVersion: "1.1.0", name: NETWORK, type: "bandwidth", ingressRate: 1e6 };
  const own = [attachmentIfbName(attachment, "egress"), attachmentIfbName(attachment, "ingress")];
  const goPlugins = ifbName(NETWORK, "another");
  const leave = () => {
    for (const name of own) {
      sandbox.run("ip", `link add ${name} group ${GROUP} type ifb`.split(" "));
    }
  };
  sandbox.run("ip", ["link", "add", goPlugins, "type", "ifb"]);
  leave();
  gc(sandbox, config, `${NETWORK}2`);
  assertEquals(ifbs(sandbox).length, 3);
  gc(sandbox, config);
  assertEquals(ifbs(sandbox), [goPlugins]);
  leave();
  plugin(sandbox, { command: "DEL", config, containerId: attachment.containerId, netns: "" });
  assertEquals(ifbs(sandbox), [goPlugins]);
});

function ifbs(sandbox: Sandbox): string[] {
  return sandbox.ip("link show type ifb").map(({ ifname }) => ifname)
    .filter((name) => name.startsWith("bwp"));
}
