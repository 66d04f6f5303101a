import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { CHAIN, SECOND } from "../networks.ts";
import type { Scenario } from "../scenario.ts";
import { runPods } from "./cri_pods.ts";

/** The chain with nftables wherever a plugin has a choice. */
const [BRIDGE, PORTMAP, FIREWALL, ...OTHERS] = CHAIN.plugins;
const WITHOUT_FIREWALL = [
  { ...BRIDGE, ipMasqBackend: "nftables" },
  { ...PORTMAP, backend: "nftables" },
  ...OTHERS,
];

/** Pods on nftables' rules, which somebody flushes and `cni firewall-reload` puts back. */
export const criNftables: Scenario = {
  name: "containerd CRI: nftables, flushed",
  clients: [CONTAINERD, RUNC],
  async run(host) {
    const isOurs = host.first === "ours";
    // The Go firewall has no such backend.
    const plugins = isOurs
      ? WITHOUT_FIREWALL.toSpliced(2, 0, { ...FIREWALL!, backend: "nftables" })
      : WITHOUT_FIREWALL;
    await host.network({ ...CHAIN, plugins });
    await host.network(SECOND, "20-second.conflist");
    const { cri } = await Containerd.startForPods(host);
    // Nothing puts back what the Go plugins made.
    await runPods(host, cri, isOurs ? flush : undefined);

    async function flush(): Promise<void> {
      host.step("nft flush ruleset, firewall-reload");
      await host.run("nft", ["flush", "ruleset"]);
      await host.run("/opt/cni/bin/firewall-reload", ["--once"]);
    }
  },
};
