import { assertEquals } from "@std/assert";
import { eventually } from "../../support/process.ts";
import { BIN } from "../host.ts";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

/** The one address there is: which of several a server gives depends on the container's identifier. */
const LEASED = "10.66.0.100";

/** A network of `podman network create --ipam-driver dhcp`, beside a server. */
export const podmanDhcp: Scenario = {
  name: "podman: macvlan, dhcp",
  clients: [PODMAN, CRUN, { name: "dnsmasq", program: "dnsmasq" }],
  needs: ["kernel:macvlan"],
  async run(host) {
    host.step("a server");
    const server = (...command: readonly string[]) =>
      ["netns", "exec", "server", ...command] as const;
    await host.run("ip", ["netns", "add", "server"]);
    const pair = ["type", "veth", "peer", "name", "eth0", "netns", "server"];
    await host.run("ip", ["link", "add", "uplink0", ...pair]);
    await host.run("ip", ["link", "set", "uplink0", "up"]);
    await host.run("ip", server("ip", "link", "set", "eth0", "up"));
    await host.run("ip", server("ip", "address", "add", "10.66.0.1/24", "dev", "eth0"));
    const dnsmasq = host.start("ip", [
      ...server("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
      ...["--port=0", "--interface=eth0", "--bind-interfaces", "--dhcp-authoritative", "--no-ping"],
      ...[`--dhcp-range=${LEASED},${LEASED},2m`, "--dhcp-option=3,10.66.0.1", "--log-dhcp"],
      ...["--dhcp-leasefile=/run/dnsmasq.leases", "--pid-file=", "--log-facility=-"],
    ]);
    await dnsmasq.until(() => dnsmasq.output.includes("started"), "dnsmasq to start");
    const daemon = host.start(`${BIN}/dhcp`, ["daemon"]);
    await eventually(
      async () => (await host.try("test", ["-S", "/run/cni/dhcp.sock"])).code === 0,
      () => `the dhcp daemon to listen\n${daemon.output}`,
    );
    const podman = new Podman(host);
    const driver = ["--driver", "macvlan", "--opt", "parent=uplink0"];
    await podman.run("network", "create", ...driver, "--ipam-driver", "dhcp", "leased");
    for (let round = 1; round <= 2; round++) {
      await podman.create("one", "leased", [], SERVE);
      const addresses = await observeNetwork(host, "one", podman.exec("one"), ["10.66.0.1"]);
      assertEquals(addresses, [LEASED]);
      await podman.run("rm", "--force", "--time", "0", "one");
      // Some versions of the Go plugin give nothing back, and then there is none for the next.
      if (host.last === "go") break;
      const released = () => dnsmasq.output.split("DHCPRELEASE").length - 1;
      await dnsmasq.until(() => released() === round, "the lease to be given back");
    }
    await podman.run("network", "rm", "leased");
    await daemon.stop();
    await dnsmasq.stop();
    await host.run("ip", ["netns", "delete", "server"]);
    await assertNothingLeft(host);
  },
};
