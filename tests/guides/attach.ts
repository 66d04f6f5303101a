/**
 * Attaches a namespace to a network, checks, asks for the status, collects garbage and detaches, as
 * a container runtime does. Arguments: the list's file, and the namespace. Executables are those of
 * CNI_TEST_BIN; without it this project's plugins are called as functions.
 *
 * @module
 */
import { Cni } from "../../lib/libcni/cni.ts";
import type { RuntimeConf } from "../../runtime.ts";
import { loadNetworkFile } from "../../lib/libcni/load.ts";
import { knownPlugin } from "../../lib/skel/known_plugins.ts";
import type { Plugin } from "../../lib/skel/plugin.ts";

const [file = "", netns = ""] = Deno.args;
const network = loadNetworkFile(file);
const bin = Deno.env.get("CNI_TEST_BIN");
const cni = new Cni(
  bin === undefined ? { plugins: await pluginsOf() } : { path: [bin] },
);
const attachment: RuntimeConf = {
  containerId: "guide",
  netns,
  ifName: "eth0",
  args: [["IgnoreUnknown", "1"], ["K8S_POD_NAME", "web"]],
  capabilityArgs: {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
    bandwidth: { ingressRate: 1_000_000, ingressBurst: 1_000_000 },
  },
};
await cni.validateNetworkList(network);
await cni.statusNetworkList(network);
const result = await cni.addNetworkList(network, attachment);
console.log(JSON.stringify(result));
await cni.checkNetworkList(network, attachment);
await cni.gcNetworkList(network, [{ network: network.name, ...attachment }]);
await cni.checkNetworkList(network, attachment);
await cni.delNetworkList(network, attachment);

async function pluginsOf(): Promise<Plugin[]> {
  const types = network.plugins.flatMap(({ type, json }) => {
    const { type: ipam } = (json.ipam ?? {}) as { type?: string };
    return ipam === undefined ? [type] : [type, ipam];
  });
  const known = await Promise.all([...new Set(types)].map(knownPlugin));
  return known.flatMap((one) => one === undefined ? [] : [one.plugin]);
}
