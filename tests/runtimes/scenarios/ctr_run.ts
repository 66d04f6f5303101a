import { assertEquals } from "@std/assert";
import { CONTAINERD, Containerd, RUNC } from "../containerd.ts";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { assertNothingLeft, GO_MASQUERADING } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const CONTAINERS = ["first", "second"];

/** Containers of `ctr run --cni`, which attaches them to the first network there is. */
export const ctrRun: Scenario = {
  name: "containerd: ctr run --cni",
  clients: [CONTAINERD, RUNC],
  exchange: true,
  short: true,
  async run(host) {
    await host.network(CHAIN);
    const containerd = await Containerd.start(host);
    const rootfs = await host.rootfs("busybox");
    host.mark(...CONTAINERS);
    host.step("two containers");
    const running = [];
    for (const name of CONTAINERS) {
      const sleep = ["/bin/sleep", "1000"];
      running.push(host.start("ctr", ["run", "--rm", "--cni", "--rootfs", rootfs, name, ...sleep]));
      await observeNetwork(host, name, await containerd.running(name), GATEWAYS);
    }
    await host.exchange();
    host.step("their end");
    for (const [index, name] of CONTAINERS.entries()) {
      await containerd.ctr("task", "kill", "--signal", "SIGKILL", name);
      const ctr = running[index]!;
      assertEquals(await ctr.end(), 137, ctr.output);
    }
    // ctr's DEL names no namespace, and then the Go bridge leaves its masquerading.
    await assertNothingLeft(host, GO_MASQUERADING);
  },
};
