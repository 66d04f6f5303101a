import { assert, assertEquals } from "@std/assert";
import { GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";
import { addUser, ROOTLESS, USER } from "../user.ts";

/** An ordinary user's containers: podman gives them a host of their own in a user namespace. */
export const podmanRootless: Scenario = {
  name: "podman: rootless, run",
  ...ROOTLESS,
  exchange: true,
  async run(host) {
    await addUser(host);
    const podman = new Podman(host, USER);
    const subnets = ["--ipv6", "--subnet", "10.77.0.0/24", "--subnet", "fd77::/64"];
    await podman.run("network", "create", ...subnets, "home");
    await podman.create("web", "home", ["-p", "8081:80"], SERVE);
    await podman.create("client", "home", [], SERVE);
    for (const name of ["web", "client"]) {
      await observeNetwork(host, name, podman.exec(name), GATEWAYS);
    }
    assertEquals(await podman.exec("client")("wget", "-qO-", "http://10.77.0.2/"), "served");
    host.step("the host asks a published port");
    const page = await fetch("http://127.0.0.1:8081/");
    assertEquals(await page.text(), "served\n");
    await host.exchange();
    host.step("rm");
    const gone = [...host.marks];
    // While a container is left the user's host is, and can be looked into.
    await podman.create("last", "home", [], SERVE);
    await podman.run("rm", "--force", "--time", "0", "web", "client");
    const inside = (...command: readonly string[]) =>
      podman.run("unshare", "--rootless-netns", ...command);
    const left = [
      await inside("find", "/var/lib/cni", "/run", "-maxdepth", "3", "-path", "*/cni/*"),
      await inside("iptables-save"),
      await inside("ip6tables-save"),
    ].join("\n");
    // The Go plugins leave of ours what docs/install.md says.
    if (host.first !== "ours" || host.last !== "go") {
      for (const mark of gone) assert(!left.includes(mark), left);
    }
    const links = (await inside("ip", "-o", "link", "show", "type", "veth")).split("\n");
    assertEquals(links.length, 1, links.join("\n"));
    await podman.run("rm", "--force", "--time", "0", "last");
    await assertNothingLeft(host);
  },
};
