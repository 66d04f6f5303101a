import { assertEquals } from "@std/assert";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { OTHER_LINKS, type Variant } from "../podman_variants.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

/** Networks of `podman network create` whose links many kernels lack, two containers each. */
export const podmanLinks: Scenario = {
  name: "podman: network create, vlan and ipvlan",
  clients: [PODMAN, CRUN],
  needs: ["kernel:bridge-vlan", "kernel:ipvlan"],
  onTestKernel: true,
  async run(host) {
    await host.run("ip", ["link", "add", "uplink0", "type", "veth", "peer", "name", "peer0"]);
    for (const name of ["uplink0", "peer0"]) await host.run("ip", ["link", "set", name, "up"]);
    await host.run("ip", ["route", "add", "default", "dev", "uplink0"]);
    const podman = new Podman(host);
    const containers: string[] = [];
    for (const [network, { options, reaches }] of Object.entries<Variant>(OTHER_LINKS)) {
      await podman.run("network", "create", ...options, network);
      const [server, client] = [`${network}-server`, `${network}-client`];
      containers.push(server, client);
      await podman.create(server, network, [], SERVE);
      await podman.create(client, network, [], SERVE);
      const addresses = await observeNetwork(host, server, await podman.enter(server), reaches);
      const exec = await podman.enter(client);
      await observeNetwork(host, client, exec, addresses);
      const page = await exec("/bin/busybox", "wget", "-qO-", `http://${addresses[0]}/`);
      assertEquals(page.trim(), "served");
    }
    host.step("rm, prune");
    await podman.run("rm", "--force", "--time", "0", ...containers);
    await podman.run("network", "prune", "--force");
    // podman removes the bridge; the pair that is its gateway in the VLAN goes with nobody.
    for (const name of ["uplink0", "cni-podman1.5"]) await host.run("ip", ["link", "delete", name]);
    await assertNothingLeft(host);
  },
};
