import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { CHAIN, SECOND } from "../networks.ts";
import type { Scenario } from "../scenario.ts";
import { runPods } from "./cri_pods.ts";

const [BRIDGE, PORTMAP, FIREWALL, ...OTHERS] = CHAIN.plugins;
const NFT_PORTMAP = { ...PORTMAP, backend: "nftables" };

/** The chain with nftables wherever a plugin has a choice, ours and the Go plugins'. */
const PLUGINS = {
  ours: [
    { ...BRIDGE, ipMasqBackend: "nftables" },
    NFT_PORTMAP,
    { ...FIREWALL, backend: "nftables" },
    ...OTHERS,
  ],
  // Its firewall has no such backend, and its bridge's DEL fails where nftables masquerades.
  go: [BRIDGE, NFT_PORTMAP, FIREWALL, ...OTHERS],
};

/** Pods on nftables' rules, which somebody flushes and `cni firewall-reload` puts back. */
export const criNftables: Scenario = {
  name: "containerd CRI: nftables, flushed",
  clients: [CONTAINERD, RUNC],
  async run(host) {
    await host.network({ ...CHAIN, plugins: PLUGINS[host.first] });
    await host.network(SECOND, "20-second.conflist");
    const { cri } = await Containerd.startForPods(host);
    // Nothing puts back what the Go plugins made.
    await runPods(host, cri, host.first === "ours" ? flush : undefined);

    async function flush(): Promise<void> {
      host.step("nft flush ruleset, firewall-reload");
      await host.run("nft", ["flush", "ruleset"]);
      await host.run("/opt/cni/bin/firewall-reload", ["--once"]);
    }
  },
};
