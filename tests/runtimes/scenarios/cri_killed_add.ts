import { isFile } from "../../../scripts/support/files.ts";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { eventually } from "../../support/process.ts";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const LEASES = `/var/lib/cni/networks/${CHAIN.name}`;

/**
 * A daemon that is killed while plugins attach a pod. It knows nothing of the pod afterwards, and
 * nobody calls DEL: `cnitool gc` removes what there is.
 */
export const criKilledAdd: Scenario = {
  name: "containerd CRI: killed while it attaches a pod",
  clients: [CONTAINERD, RUNC],
  async run(host) {
    await host.network(CHAIN);
    const { containerd, cri } = await Containerd.startForPods(host);
    host.step("a pod is being attached");
    const refused = cri.runPod("lost").then(() => "attached", (error) => String(error));
    await eventually(() => isFile(`${LEASES}/10.77.0.2`), () => "an address to be reserved");
    await containerd.restart("SIGKILL");
    host.observe("the pod", (await refused) === "attached" ? "attached" : "refused");
    await cri.ready();
    const { items } = await cri.call("ListPodSandbox");
    for (const pod of items) await cri.removePod(pod);

    host.step("another pod");
    const pod = await cri.runPod("next");
    await cri.addContainer(pod, "sleep 100000");
    await observeNetwork(host, "next", pod.exec, GATEWAYS);
    await cri.removePod(pod);

    if (host.last === "go") return; // these have no GC
    host.step("cnitool gc");
    for (const { name } of Deno.readDirSync("/run/netns")) {
      await host.run("ip", ["netns", "delete", name]);
    }
    await host.run("/opt/cni/bin/cnitool", ["gc", CHAIN.name, "--all"]);
    await assertNothingLeft(host);
  },
};
