import { assertEquals } from "@std/assert";
import { CHAIN, GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const STATIC = ["--ip", "10.77.0.50", "--ip6", "fd77::50", "--mac-address", "02:11:22:33:44:55"];
const PUBLISHED = ["-p", "8081:80", "-p", "10.77.0.1:8082:80"];

/** Containers of `podman run`: static addresses, published ports, the firewall flushed, restart. */
export const podmanRun: Scenario = {
  name: "podman: run",
  clients: [PODMAN, CRUN],
  exchange: true,
  short: true,
  async run(host) {
    await host.network(CHAIN);
    const podman = new Podman(host);
    await podman.create("web", "chain", [...STATIC, ...PUBLISHED], SERVE);
    await podman.create("client", "chain", [], SERVE);
    const served = async () => {
      for (const address of ["10.77.0.50", "[fd77::50]", "10.77.0.1:8081", "10.77.0.1:8082"]) {
        assertEquals(await podman.exec("client")("wget", "-qO-", `http://${address}/`), "served");
      }
    };
    for (const name of ["web", "client"]) {
      await observeNetwork(host, name, podman.exec(name), GATEWAYS);
    }
    const address = await podman.exec("web")("cat", "/sys/class/net/eth0/address");
    assertEquals(address, "02:11:22:33:44:55");
    await served();

    host.step("network reload, after somebody flushed the rules");
    for (const program of ["iptables", "ip6tables"]) {
      for (const table of ["nat", "filter"]) await host.run(program, ["-t", table, "-F"]);
    }
    await podman.run("network", "reload", "--all");
    await served();
    await host.exchange();

    host.step("restart");
    await podman.run("restart", "--time", "0", "web");
    await observeNetwork(host, "web, started anew", podman.exec("web"), GATEWAYS);
    await served();

    host.step("rm");
    await podman.run("rm", "--force", "--time", "0", "web", "client");
    await assertNothingLeft(host);
  },
};
