import { assert, assertEquals, assertRejects } from "@std/assert";
import { archive } from "../image.ts";
import { observeNetwork } from "../observe.ts";
import { Podman, SERVE } from "../podman.ts";
import {
  assertIsolated,
  assertRefused,
  BRIDGES,
  MACVLANS,
  type Variant,
} from "../podman_variants.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";
import { addUser, ROOTLESS, USER } from "../user.ts";

const IMAGE = "localhost/busybox:1";
/** The network and what is asked of it, as `--network` has them. */
const STATIC = "subnet:interface_name=eth0,ip=10.80.0.50,mac=02:11:22:33:44:55";

/** What `podman play kube` is given. */
const MANIFEST = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "played" },
  spec: {
    containers: [{
      name: "web",
      image: IMAGE,
      imagePullPolicy: "Never",
      command: ["/bin/sh", "-c", SERVE],
      ports: [{ containerPort: 80, hostPort: 8092 }],
    }],
  },
};

/** An ordinary user's networks: each that podman makes without being root, and what containers do. */
export const podmanRootlessNetworks: Scenario = {
  name: "podman: rootless, network create, connect, reload, restart, pods, play kube",
  ...ROOTLESS,
  async run(host) {
    await addUser(host);
    const podman = new Podman(host, USER);
    await assertRefused(podman);
    for (const [name, { options, reaches }] of Object.entries<Variant>(BRIDGES)) {
      await podman.run("network", "create", ...options, name);
      await podman.create(`on-${name}`, name, [], SERVE);
      await observeNetwork(host, name, podman.exec(`on-${name}`), reaches);
    }
    const mtu = await podman.exec("on-mtu")("cat", "/sys/class/net/eth0/mtu");
    assertEquals(mtu, "1400");
    host.step("isolated networks");
    await podman.create("beside", "isolated", [], SERVE);
    await assertIsolated("10.90.0.2", podman.exec("beside"), podman.exec("on-apart"));

    host.step("macvlan");
    // The user's host is a namespace of podman's, and what is to be its link must be there.
    const inside = (...command: readonly string[]) =>
      podman.run("unshare", "--rootless-netns", ...command);
    await host.run("ip", ["link", "add", "uplink0", "type", "veth", "peer", "name", "peer0"]);
    for (const [name, { options }] of Object.entries(MACVLANS)) {
      await podman.run("network", "create", ...options, name);
      await assertRejects(
        () => podman.create(`no-${name}`, name, [], SERVE),
        Error,
        'plugin type="macvlan" failed (add)',
      );
      await podman.run("rm", "--force", `no-${name}`);
    }
    await inside("ip", "link", "add", "uplink0", "type", "veth", "peer", "name", "peer0");
    for (const link of ["uplink0", "peer0"]) await inside("ip", "link", "set", link, "up");
    for (const name of Object.keys(MACVLANS)) {
      await podman.create(`on-${name}`, name, [], SERVE);
      await observeNetwork(host, name, podman.exec(`on-${name}`));
    }

    host.step("connect and disconnect");
    await podman.run("network", "connect", "--ip", "10.82.0.99", "dual", "on-subnet");
    await observeNetwork(host, "on two networks", podman.exec("on-subnet"), [
      "10.80.0.7",
      "fd82::1",
    ]);
    await podman.run("network", "disconnect", "subnet", "on-subnet");
    await observeNetwork(host, "off the first", podman.exec("on-subnet"), ["fd82::1"]);

    host.step("two networks, with published ports");
    const second = ["--network", "range:interface_name=eth1,ip=10.81.0.200", "-p", "8090:80"];
    await podman.create("both", STATIC, second, SERVE);
    await observeNetwork(host, "both", podman.exec("both"), ["10.80.0.7", "10.81.0.1"]);
    const address = await podman.exec("both")("cat", "/sys/class/net/eth0/address");
    assertEquals(address, "02:11:22:33:44:55");
    const served = async () => {
      assertEquals(await (await fetch("http://127.0.0.1:8090/")).text(), "served\n");
      const page = await podman.exec("on-range")("wget", "-qO-", "http://10.81.0.1:8090/");
      assertEquals(page, "served");
    };
    await served();
    host.step("pods, play kube");
    await podman.run("load", "--input", await archive(host, [IMAGE]));
    await podman.run("pod", "create", "--name", "pod", "--network", "dual", "-p", "8091:80");
    for (const [name, script] of [["server", SERVE], ["client", "sleep 100000"]] as const) {
      const command = ["--entrypoint", "", IMAGE, "/bin/sh", "-c", script];
      await podman.run("run", "--detach", "--pod", "pod", "--name", name, ...command);
    }
    await observeNetwork(host, "pod", podman.exec("client"), ["10.82.0.1", "fd82::1"]);
    await Deno.writeTextFile("/run/pod.json", JSON.stringify(MANIFEST));
    await podman.run("play", "kube", "--network", "dual", "/run/pod.json");
    await observeNetwork(host, "played", podman.exec("played-web"), ["10.82.0.1", "fd82::1"]);
    for (const port of [8091, 8092]) {
      assertEquals(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "served\n");
    }

    host.step("network reload, after somebody flushed the rules");
    for (const program of ["iptables", "ip6tables"]) {
      for (const table of ["nat", "filter"]) await inside(program, "-t", table, "-F");
    }
    await podman.run("network", "reload", "--all");
    await served();

    host.step("restart");
    await podman.run("restart", "--time", "0", "both");
    await observeNetwork(host, "both, started anew", podman.exec("both"), ["10.80.0.7"]);
    await served();

    host.step("rm, prune");
    await podman.run("play", "kube", "--down", "/run/pod.json");
    await podman.run("pod", "rm", "--force", "--time", "0", "pod");
    const names = [...Object.keys(BRIDGES), ...Object.keys(MACVLANS)];
    const gone = names.filter((name) => name !== "plain").map((name) => `on-${name}`);
    await podman.run("rm", "--force", "--time", "0", "both", "beside", ...gone);
    // While a container is left the user's host is, and can be looked into.
    const left = await inside(
      "find",
      "/var/lib/cni/networks",
      // Its files have container IDs for names, of which one in 256 begins as the addresses do.
      ...["-name", ".owners", "-prune"],
      ...["-o", "-name", "10.*", "-print", "-o", "-name", "fd*", "-print"],
    );
    assert(left.split("\n").length === 1, left);
    await podman.run("rm", "--force", "--time", "0", "on-plain");
    await podman.run("network", "prune", "--force");
    const networks = await podman.run("network", "ls", "--format", "{{.Name}}");
    for (const name of names) assert(!networks.includes(name), networks);
    await host.run("ip", ["link", "delete", "uplink0"]);
    await assertNothingLeft(host);
  },
};
