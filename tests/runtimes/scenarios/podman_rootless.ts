import { assert, assertEquals } from "@std/assert";
import type { Host } from "../host.ts";
import { GATEWAYS } from "../networks.ts";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

/** Not below /run: podman gives the plugins another one. */
const HOME = "/var/tmp/home";
const RUNTIME_DIRECTORY = "/run/user/1000";

/** An ordinary user's containers: podman gives them a host of their own in a user namespace. */
export const podmanRootless: Scenario = {
  name: "podman: rootless",
  clients: [PODMAN, CRUN, { name: "slirp4netns", program: "slirp4netns" }],
  needs: ["newuidmap", "setpriv"],
  exchange: true,
  async run(host) {
    await addUser(host);
    const podman = new Podman(host, { home: HOME, runtimeDirectory: RUNTIME_DIRECTORY });
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

/** Makes an ordinary user, with subordinate identifiers and what slirp4netns opens. */
async function addUser(host: Host): Promise<void> {
  const files = {
    passwd: `root:x:0:0:root:/root:/bin/sh\ntester:x:1000:1000::${HOME}:/bin/sh\n`,
    group: "root:x:0:\ntester:x:1000:\n",
    subuid: "tester:100000:65536\n",
    subgid: "tester:100000:65536\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`/run/${name}`, text);
    await host.run("touch", [`/etc/${name}`]);
    await host.run("mount", ["--bind", `/run/${name}`, `/etc/${name}`]);
  }
  await host.run("mount", ["-t", "tmpfs", "tmpfs", "/dev/net"]);
  await host.run("mknod", ["--mode=666", "/dev/net/tun", "c", "10", "200"]);
  for (const directory of [HOME, RUNTIME_DIRECTORY]) {
    await Deno.mkdir(directory, { recursive: true });
    await Deno.chown(directory, 1000, 1000);
  }
  await Deno.chmod("/run/tmp", 0o1777);
}
