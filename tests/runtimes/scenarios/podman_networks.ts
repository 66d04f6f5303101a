import { assert, assertEquals } from "@std/assert";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import {
  assertIsolated,
  assertRefused,
  BRIDGES,
  MACVLANS,
  type Variant,
} from "../podman_variants.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

/** Every network but those of {@link OTHER_LINKS}. */
const NETWORKS: Readonly<Record<string, Variant>> = { ...BRIDGES, ...MACVLANS };

/** Every variant of `podman network create`; connect and disconnect; prune. */
export const podmanNetworks: Scenario = {
  name: "podman: network create, connect, disconnect, prune",
  clients: [PODMAN, CRUN],
  needs: ["kernel:macvlan"],
  exchange: true,
  async run(host) {
    await host.run("ip", ["link", "add", "uplink0", "type", "veth", "peer", "name", "peer0"]);
    for (const name of ["uplink0", "peer0"]) await host.run("ip", ["link", "set", name, "up"]);
    const podman = new Podman(host);
    await assertRefused(podman);
    for (const [name, { options, reaches }] of Object.entries(NETWORKS)) {
      await podman.run("network", "create", ...options, name);
      await podman.create(`on-${name}`, name, [], SERVE);
      await observeNetwork(host, name, podman.exec(`on-${name}`), reaches);
    }
    host.step("an isolated network");
    await podman.create("beside", "isolated", [], SERVE);
    await assertIsolated("10.90.0.2", podman.exec("beside"), podman.exec("on-apart"));
    const mtu = await podman.exec("on-mtu")("cat", "/sys/class/net/eth0/mtu");
    assertEquals(mtu, "1400");

    host.step("connect and disconnect");
    await podman.run("network", "connect", "--ip", "10.82.0.99", "dual", "on-subnet");
    await observeNetwork(host, "on two networks", podman.exec("on-subnet"), [
      "10.80.0.7",
      "fd82::1",
    ]);
    await podman.run("network", "disconnect", "subnet", "on-subnet");
    await observeNetwork(host, "off the first", podman.exec("on-subnet"), ["fd82::1"]);

    host.step("two networks, with published ports");
    // Which network comes first is podman's chance, where nobody says it.
    const second = ["--network", "range:interface_name=eth1", "-p", "8090:80"];
    await podman.create("both", "subnet:interface_name=eth0", second, SERVE);
    await observeNetwork(host, "both", podman.exec("both"), ["10.80.0.7", "10.81.0.1"]);
    for (
      const [client, gateway] of [["on-range", "10.81.0.1"], ["on-dual", "10.82.0.1"]] as const
    ) {
      const page = await podman.exec(client)("wget", "-qO-", `http://${gateway}:8090/`);
      assertEquals(page, "served");
    }
    await host.exchange();

    host.step("rm, prune");
    const names = Object.keys(NETWORKS);
    const containers = ["both", "beside", ...names.map((name) => `on-${name}`)];
    await podman.run("rm", "--force", "--time", "0", ...containers);
    await podman.run("network", "prune", "--force");
    const left = await podman.run("network", "ls", "--format", "{{.Name}}");
    for (const name of names) assert(!left.includes(name), left);
    await host.run("ip", ["link", "delete", "uplink0"]);
    await assertNothingLeft(host);
  },
};
