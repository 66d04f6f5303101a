/**
 * A container runtime in a page: it attaches a network namespace to a bridge, and calls the plugins
 * for that as functions, in its own process. No plugin needs to be installed. Needs root.
 *
 *     ip netns add blue
 *     deno run --allow-all examples/in-process.ts add blue /run/netns/blue
 *     deno run --allow-all examples/in-process.ts del blue /run/netns/blue
 *
 * @module
 */
// From the published package: "@cni/cni", "@cni/cni/plugins/bridge", "@cni/cni/plugins/host-local".
import { Cni, parseNetworkList, type RuntimeConf } from "../mod.ts";
import hostLocal from "../plugins/ipam/host-local/main.ts";
import bridge from "../plugins/main/bridge/main.ts";

const network = parseNetworkList(JSON.stringify({
  cniVersion: "1.1.0",
  name: "example",
  plugins: [{
    type: "bridge",
    bridge: "example0",
    isGateway: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.88.0.0/16" }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  }],
}));

const [command, containerId, netns] = Deno.args;
if (!["add", "del"].includes(command ?? "") || !containerId || !netns) {
  console.error("usage: in-process.ts add|del CONTAINER NETNS");
  Deno.exit(2);
}
const cni = new Cni({ plugins: [bridge, hostLocal] });
const attachment: RuntimeConf = { containerId, netns, ifName: "eth0" };
if (command === "add") {
  const { ips } = await cni.addNetworkList(network, attachment);
  console.log(ips?.map(({ address }) => address).join(" "));
} else {
  await cni.delNetworkList(network, attachment);
}
