import { assert, assertEquals } from "@std/assert";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { reaches } from "../observe.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const NAMES = Array.from({ length: 10 }, (_, index) => `pod${index}`);

const portOf = (index: number) =>
  [{ protocol: "TCP", container_port: 80, host_port: 9000 + index }] as const;

/** Ten pods that start at once, and end at once. */
export const criCrowd: Scenario = {
  name: "containerd CRI: ten pods at once",
  clients: [CONTAINERD, RUNC],
  exchange: true,
  short: true,
  async run(host) {
    await host.network(CHAIN);
    const { cri } = await Containerd.startForPods(host);
    // The Go portmap fails where two make its chains at once.
    if (host.first === "go") await cri.removePod(await cri.runPod("first", { ports: portOf(99) }));
    host.step("ten pods start");
    const pods = await Promise.all(
      NAMES.map((name, index) => cri.runPod(name, { ports: portOf(index) })),
    );
    const addresses = pods.flatMap((pod) => pod.addresses);
    host.mark(...addresses, ...pods.map(({ id }) => id));
    assertEquals(new Set(addresses).size, 20, addresses.join(" "));
    for (const pod of pods.slice(0, 3)) {
      await cri.addContainer(pod, "sleep 1000");
      for (const gateway of GATEWAYS) assert(await reaches(pod.exec, gateway), gateway);
    }
    await host.exchange();
    host.step("ten pods end");
    await Promise.all(pods.map((pod) => cri.removePod(pod)));
    await assertNothingLeft(host);
  },
};
