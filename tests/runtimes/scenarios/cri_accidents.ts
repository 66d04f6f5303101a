import { assert } from "@std/assert";
import { eventually } from "../../support/process.ts";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import type { Cri, Pod } from "../cri.ts";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { observeNetwork, reaches } from "../observe.ts";
import { assertNothingLeft, GO_MASQUERADING } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

/** Pods that go on when their runtime ends, and pods that end before they are removed. */
export const criAccidents: Scenario = {
  name: "containerd CRI: daemon killed, pod killed, namespace removed",
  clients: [CONTAINERD, RUNC],
  exchange: true,
  async run(host) {
    await host.network(CHAIN);
    const { containerd, cri } = await Containerd.startForPods(host);
    const start = async (name: string): Promise<Pod> => {
      host.step(`${name} starts`);
      const pod = await cri.runPod(name, {
        ports: [{ protocol: "TCP", container_port: 80, host_port: 8080 }],
      });
      host.mark(pod.id, ...pod.addresses);
      await cri.addContainer(pod, "sleep 100000");
      return pod;
    };
    const lasting = await start("lasting");
    await observeNetwork(host, "lasting", lasting.exec, GATEWAYS);
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      host.step(`containerd ends by ${signal}, and starts anew`);
      await containerd.restart(signal);
      await cri.ready();
      for (const gateway of GATEWAYS) assert(await reaches(lasting.exec, gateway), gateway);
    }
    await cri.removePod(lasting);
    await assertNothingLeft(host);

    const killed = await start("killed");
    Deno.kill(killed.pid, "SIGKILL");
    await isNotReady(cri, killed);
    await host.exchange();
    await cri.removePod(killed);
    await assertNothingLeft(host);

    const homeless = await start("homeless");
    host.step("its namespace is removed");
    await host.run("umount", ["--lazy", homeless.netns]);
    await Deno.remove(homeless.netns);
    await cri.removePod(homeless);
    await assertNothingLeft(host, GO_MASQUERADING);

    // Everything that they had can be had again.
    const next = await start("next");
    await observeNetwork(host, "next", next.exec, GATEWAYS);
    await cri.removePod(next);
    await assertNothingLeft(host, GO_MASQUERADING);
  },
};

async function isNotReady(cri: Cri, { id }: Pod): Promise<void> {
  await eventually(async () => {
    const { items } = await cri.call("ListPodSandbox");
    return items.find((item: { id: string }) => item.id === id)?.state === "SANDBOX_NOTREADY";
  }, () => "SANDBOX_NOTREADY");
}
