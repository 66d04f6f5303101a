import { assert } from "@std/assert";
import { eventually } from "../../support/process.ts";
import { missing } from "../../support/requirements.ts";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { CHAIN, SECOND } from "../networks.ts";
import { fetchContainerd } from "../newer_containerd.ts";
import type { Scenario } from "../scenario.ts";
import { runPods } from "./cri_pods.ts";

/** A network whose STATUS says that there is no daemon of the dhcp plugin's. */
const UNAVAILABLE = {
  cniVersion: "1.1.0",
  name: "unavailable",
  plugins: [{ type: "bridge", bridge: "dhcp0", ipam: { type: "dhcp" } }],
};

/** containerd 2, which takes version 1.1.0 of the specification and calls STATUS. */
export const criNewer: Scenario = {
  name: "containerd 2 CRI: STATUS, pods",
  clients: [CONTAINERD, RUNC],
  programs: fetchContainerd,
  exchange: true,
  async run(host) {
    await host.network(CHAIN);
    const { cri } = await Containerd.startForPods(host);
    if (host.first === "ours") {
      host.step("a network that is not available");
      await host.network(UNAVAILABLE);
      let message = "";
      await eventually(
        async () => {
          const { status } = await cri.call("Status");
          const network = status.conditions
            .find(({ type }: { type: string }) => type === "NetworkReady");
          message = network.message;
          return !network.status;
        },
        () => "the network not to be ready",
      );
      assert(message.includes("daemon"), message);
    }
    // Go plugins before 1.5 take no 1.1.0.
    const isOlder = [host.first, host.last].includes("go") && missing(["newer-go-plugins"]);
    const cniVersion = isOlder ? "1.0.0" : "1.1.0";
    await host.network({ ...CHAIN, cniVersion });
    await host.network({ ...SECOND, cniVersion }, "20-second.conflist");
    await cri.ready();
    await runPods(host, cri);
  },
};
