import { assert, assertEquals } from "@std/assert";
import { missing, type Requirement } from "../../support/requirements.ts";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

interface Network {
  options: string[];
  /** What a container reaches there. */
  reaches: string[];
  needs?: Requirement[];
}

/** Networks of `podman network create`, by name. */
const NETWORKS: Readonly<Record<string, Network>> = {
  plain: { options: [], reaches: [] },
  subnet: {
    options: ["--subnet", "10.80.0.0/24", "--gateway", "10.80.0.7"],
    reaches: ["10.80.0.7"],
  },
  range: {
    options: ["--subnet", "10.81.0.0/24", "--ip-range", "10.81.0.128/25"],
    reaches: ["10.81.0.1"],
  },
  dual: {
    options: ["--ipv6", "--subnet", "10.82.0.0/24", "--subnet", "fd82::/64"],
    reaches: ["10.82.0.1", "fd82::1"],
  },
  internal: { options: ["--internal", "--subnet", "10.83.0.0/24"], reaches: [] },
  mtu: {
    options: ["--subnet", "10.84.0.0/24", "--opt", "mtu=1400", "--label", "a=b"],
    reaches: ["10.84.0.1"],
  },
  vlan: {
    options: ["--subnet", "10.87.0.0/24", "--opt", "vlan=5"],
    needs: ["kernel:bridge-vlan"],
    // The bridge's address is in no VLAN.
    reaches: [],
  },
  unaddressed: { options: ["--ipam-driver", "none"], reaches: [] },
  macvlan: {
    options: ["--driver", "macvlan", "--subnet", "10.85.0.0/24", "--opt", "parent=uplink0"],
    reaches: [],
  },
  ipvlan: {
    options: ["--driver", "ipvlan", "--subnet", "10.86.0.0/24", "--opt", "parent=uplink1"],
    reaches: [],
    needs: ["kernel:ipvlan"],
  },
};

/** Every variant of `podman network create`; connect and disconnect; prune. */
export const podmanNetworks: Scenario = {
  name: "podman: network create, connect, disconnect, prune",
  clients: [PODMAN, CRUN],
  needs: ["kernel:macvlan"],
  exchange: true,
  async run(host) {
    for (const index of [0, 1]) {
      const [link, peer] = [`uplink${index}`, `peer${index}`];
      await host.run("ip", ["link", "add", link, "type", "veth", "peer", "name", peer]);
      for (const name of [link, peer]) await host.run("ip", ["link", "set", name, "up"]);
    }
    const podman = new Podman(host);
    const networks = Object.entries(NETWORKS).filter(([name, { needs = [] }]) => {
      const reason = missing(needs);
      if (reason) host.step(`skipped: network ${name}, for want of ${reason.lacks}`);
      return !reason;
    });
    for (const [name, { options, reaches }] of networks) {
      await podman.run("network", "create", ...options, name);
      await podman.create(`on-${name}`, name, [], SERVE);
      await observeNetwork(host, name, podman.exec(`on-${name}`), reaches);
    }
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
    const names = networks.map(([name]) => `on-${name}`);
    await podman.run("rm", "--force", "--time", "0", "both", ...names);
    await podman.run("network", "prune", "--force");
    const left = await podman.run("network", "ls", "--format", "{{.Name}}");
    for (const [name] of networks) assert(!left.includes(name), left);
    await host.run("ip", ["link", "delete", "uplink0"]);
    await host.run("ip", ["link", "delete", "uplink1"]);
    await assertNothingLeft(host);
  },
};
