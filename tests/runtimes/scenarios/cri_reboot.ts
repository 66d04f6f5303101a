import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const PORTS = [{ protocol: "TCP", container_port: 80, host_port: 8080 }] as const;

/** A machine that loses its power with pods running: what is on disk stays, and nothing else. */
export const criReboot: Scenario = {
  name: "containerd CRI: reboot",
  clients: [CONTAINERD, RUNC],
  exchange: true,
  async run(host) {
    await host.network(CHAIN);
    {
      const { cri } = await Containerd.startForPods(host);
      for (const [name, ports] of Object.entries({ web: PORTS, other: [] })) {
        host.step(`${name} starts`);
        const pod = await cri.runPod(name, { ports });
        host.mark(pod.id, ...pod.addresses);
      }
      cri[Symbol.dispose]();
    }
    host.step("reboot");
    await host.reboot();
    await host.exchange();
    const { cri } = await Containerd.startForPods(host);
    host.step("the pods from before are removed");
    const { items } = await cri.call("ListPodSandbox");
    host.observe("pods from before", items.map((item: { state: string }) => item.state));
    for (const pod of items) await cri.removePod(pod);
    await assertNothingLeft(host);

    host.step("a pod like before");
    const pod = await cri.runPod("web", { ports: PORTS });
    await cri.addContainer(pod, "sleep 100000");
    await observeNetwork(host, "web", pod.exec, GATEWAYS);
    await cri.removePod(pod);
    await assertNothingLeft(host);
  },
};
