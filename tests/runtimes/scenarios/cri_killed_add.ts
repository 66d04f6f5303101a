import { assert } from "@std/assert";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { eventually } from "../../support/process.ts";
import type { Host } from "../host.ts";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { reaches } from "../observe.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

/** What a plugin has made when the daemon is killed, and how that is seen. */
const MOMENTS: Readonly<Record<string, (host: Host) => Promise<boolean>>> = {
  "an address is reserved": (host) => lists(host, "find", ["/var/lib/cni/networks"], "/10.77.0."),
  "the link is there": (host) => lists(host, "ip", ["-o", "link", "show", "type", "veth"], "veth"),
  "the firewall knows the address": (host) => lists(host, "iptables-save", [], "-s 10.77.0."),
};

async function lists(host: Host, program: string, args: string[], text: string): Promise<boolean> {
  return (await host.try(program, args)).stdout.includes(text);
}

/**
 * A daemon that is killed while plugins attach a pod, and the plugin with it. It knows nothing of
 * the pod afterwards, and nobody calls DEL: `cnitool gc` removes what there is.
 */
export const criKilledAdd: Scenario = {
  name: "containerd CRI: killed while it attaches a pod",
  clients: [CONTAINERD, RUNC],
  exchange: true,
  async run(host) {
    await host.network(CHAIN);
    const { containerd, cri } = await Containerd.startForPods(host);
    // After an exchange there is nothing more to kill of the first plugins.
    const moments = Object.entries(MOMENTS).slice(0, host.first === host.last ? undefined : 1);
    for (const [moment, isNow] of moments) {
      host.step(`killed when ${moment}`);
      const attached = cri.runPod("lost").then(() => true, () => false);
      await eventually(() => isNow(host), () => moment);
      await containerd.kill();
      host.killPlugins();
      assert(!await attached, "the pod was attached before containerd was killed");
      await host.exchange();
      await containerd.restart("SIGKILL");
      await cri.ready();

      const pod = await cri.runPod("next");
      await cri.addContainer(pod, "sleep 100000");
      for (const gateway of GATEWAYS) assert(await reaches(pod.exec, gateway), gateway);
      await cri.removePod(pod);
      // The Go bridge fails to remove what a killed one half made, and there is no GC.
      if (host.last === "go") return;
      const { items } = await cri.call("ListPodSandbox");
      for (const pod of items) await cri.removePod(pod);
      for (const { name } of Deno.readDirSync("/run/netns")) {
        await host.run("ip", ["netns", "delete", name]);
      }
      await host.run("/opt/cni/bin/cnitool", ["gc", CHAIN.name, "--all"]);
      await assertNothingLeft(host);
    }
  },
};
