import { assertEquals } from "@std/assert";
import { FileLock } from "../../lib/host/lock.ts";
import { sleep } from "../../lib/runtime/sleep.ts";
import { dispatch } from "../../lib/skel/dispatch.ts";
import sbr from "../../plugins/meta/sbr/main.ts";
import vrf from "../../plugins/meta/vrf/main.ts";
import { NETWORKS } from "../support/faults/networks.ts";
import { differences, snapshot } from "../support/faults/snapshot.ts";
import { plugin, type PluginCall } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

for (const chained of [sbr, vrf]) {
  const { plugins, needs } = NETWORKS.find(({ id }) => id === chained.name)!;
  kernelTest(
    `${chained.name}: what a failing ADD takes back waits for the namespace's lock`,
    async (sandbox) => {
      const netns = sandbox.container();
      const configOf = (own: object) =>
        ({ cniVersion: "1.1.0", name: "net", ...own }) as PluginCall["config"];
      const ptp: PluginCall = { command: "ADD", config: configOf(plugins[0]!), netns };
      const config = { ...configOf(plugins[1]!), prevResult: plugin(sandbox, ptp) };
      const present = () =>
        differences(before, snapshot(sandbox, { c1: netns })).filter(isOfNetwork);
      const before = snapshot(sandbox, { c1: netns });
      const { exitCode, takeBack } = await dispatch(chained, {
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: "test",
          CNI_IFNAME: "eth0",
          CNI_NETNS: netns.path,
          CNI_PATH: "/nowhere",
        },
        stdin: () => JSON.stringify(config),
      });
      assertEquals(exitCode, 0);
      const made = present();
      const lock = await FileLock.acquire(netns.path, { create: false });
      const takingBack = takeBack!();
      await Promise.race([takingBack, sleep(200)]);
      assertEquals(present(), made);
      lock[Symbol.dispose]();
      assertEquals([await takingBack, present()], [[], []]);
    },
    { needs },
  );
}

/** Whether a line is about the container's network. The kernel keeps the rules of its first VRF. */
function isOfNetwork(line: string): boolean {
  return /^\w+ c1 (link|address|route|rule)/.test(line) && !line.includes("l3mdev");
}
