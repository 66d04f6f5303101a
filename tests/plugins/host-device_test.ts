import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ping } from "../../scripts/support/ping.ts";
import { NetNs } from "../../lib/ns/netns.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { addressesOf, hostLocal, reservations, staticAddress } from "../support/network.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const config = { cniVersion: "1.1.0", name: "cards", type: "host-device", device: "card0" };
const withIpam = { ...config, ipam: hostLocal };
const MAC = "02:00:00:00:00:01";

/** `card0`, up and with addresses, and `card1` at the other end of its cable, up too. */
function addCard(sandbox: Sandbox): void {
  const run = (command: string) => sandbox.run("ip", command.split(" "));
  run(`link add card0 address ${MAC} mtu 1450 type veth peer name card1`);
  run("link set card0 alias uplink");
  for (const name of ["card0", "card1"]) run(`link set ${name} up`);
  run("address add 192.0.2.5/24 dev card0");
  run("address add fd00:2::5/64 dev card0");
}

/** Fails unless the card is on the host as `addCard` left it. */
function assertHome(sandbox: Sandbox): void {
  const [link] = sandbox.ip("link show dev card0");
  assertEquals([link.ifalias, link.address, link.mtu], ["uplink", MAC, 1450]);
  assert(link.flags.includes("UP"));
  assertEquals(addressesOf(sandbox, "card0"), ["192.0.2.5/24", "fd00:2::5/64"]);
  assertEquals(records(), []);
}

function records(): string[] {
  try {
    return Array.from(Deno.readDirSync("/run/cni/host-device"), ({ name }) => name);
  } catch {
    return [];
  }
}

/** What the kernel does with hardware when its namespace is deleted; a veth would be deleted too. */
function loseNamespace(sandbox: Sandbox, netns: NetNs, ifName = "eth0"): void {
  using host = NetNs.current();
  using inside = Rtnl.open(netns);
  inside.link.set(ifName, { netns: host });
  sandbox.run("ip", ["netns", "del", netns.path.split("/").at(-1)!]);
}

kernelTest("host-device: the card works inside, and is as before when it is back", (sandbox) => {
  addCard(sandbox);
  sandbox.run("ip", ["address", "add", "10.7.0.1/24", "dev", "card1"]);
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config: withIpam, netns });
  assertEquals(result.interfaces, [{ mac: MAC, name: "eth0", sandbox: netns.path }]);
  assertEquals(result.ips[0], { address: "10.7.0.2/24", gateway: "10.7.0.1", interface: 0 });
  const [link] = sandbox.ip("link show dev eth0", netns);
  assertEquals([link.ifalias, link.address, link.mtu], ["card0", MAC, 1450]);
  assertEquals(sandbox.links(), ["card1"]);
  assertEquals(addressesOf(sandbox, "eth0", netns), ["10.7.0.2/24", "fd00:7::2/64"]);
  assert(ping(netns, "10.7.0.1") !== undefined);
  plugin(sandbox, { command: "CHECK", config: { ...withIpam, prevResult: result }, netns });

  // A container may do what it likes with it.
  for (const change of ["down", "address 02:00:00:00:00:99", "mtu 1300", "promisc on"]) {
    sandbox.run("ip", ["link", "set", "eth0", ...change.split(" ")], { netns });
  }
  plugin(sandbox, { command: "DEL", config: withIpam, netns });
  assertHome(sandbox);
  assert(!sandbox.ip("link show dev card0")[0].flags.includes("PROMISC"));
  assertEquals([sandbox.links(netns), reservations("cards")], [[], []]);
});

kernelTest("host-device: a card that was down comes home down", (sandbox) => {
  addCard(sandbox);
  sandbox.run("ip", ["link", "set", "card0", "down"]);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  assert(sandbox.ip("link show dev eth0", netns)[0].flags.includes("UP"));
  plugin(sandbox, { command: "DEL", config, netns });
  assert(!sandbox.ip("link show dev card0")[0].flags.includes("UP"));
});

kernelTest("host-device: every way to say which card", (sandbox) => {
  addCard(sandbox);
  const sys = fakeSys(sandbox);
  const directory = (path: string) => Deno.mkdirSync(`${sys}/${path}`, { recursive: true });
  directory("devices/pci0000:00/0000:00:1f.6/net/card0");
  directory("bus/pci/devices/0000:00:1f.6/net/card0");
  directory("bus/pci/devices/0000:00:02.0/virtio0/net/card0");
  directory("bus/auxiliary/devices/mlx5_core.sf.4/net/card0");
  for (const card of ["0000:00:1f.6", "0000:00:02.0"]) {
    directory("bus/pci/drivers/e1000");
    Deno.symlinkSync(`/sys/bus/pci/drivers/e1000`, `${sys}/bus/pci/devices/${card}/driver`);
  }
  const { device: _, ...base } = config;
  const runtime = (deviceID: string) => ({ runtimeConfig: { deviceID } });
  const selectors: Record<string, unknown>[] = [
    { hwaddr: MAC.toUpperCase() },
    { kernelpath: "/sys/devices/pci0000:00/0000:00:1f.6" },
    { pciBusID: "0000:00:1f.6" },
    { pciBusID: "0000:00:02.0" },
    { pciBusID: "ignored", ...runtime("0000:00:1f.6") },
    runtime("mlx5_core.sf.4"),
  ];
  for (const selector of selectors) {
    const netns = sandbox.container();
    plugin(sandbox, { command: "ADD", config: { ...base, ...selector }, netns });
    assertEquals(sandbox.ip("link show dev eth0", netns)[0].address, MAC);
    // DEL is not told the device's ID by every runtime.
    plugin(sandbox, { command: "DEL", config: base, netns });
    assertHome(sandbox);
  }
  const wrong: [Record<string, unknown>, string][] = [
    [{}, 'specify either "device", "hwaddr", "kernelpath" or "pciBusID"'],
    [{ device: "nope" }, "device nope is not on the host"],
    [{ hwaddr: "02:00:00:00:00:55" }, "not on the host"],
    [{ hwaddr: "nonsense" }, "nonsense"],
    [{ kernelpath: "/sys/devices/../../etc" }, "must be absolute and begin with /sys/devices/"],
    [{ kernelpath: "devices" }, "must be absolute and begin with /sys/devices/"],
    [{ pciBusID: "../../x" }, "pciBusID"],
    [{ pciBusID: "0000:00:09.0" }, "error with host device"],
    [runtime("0000:00:09.0"), "runtime config DeviceID 0000:00:09.0 not found or unsupported"],
    [runtime(".."), "deviceID"],
  ];
  const netns = sandbox.container();
  for (const [selector, words] of wrong) {
    const call = { command: "ADD" as const, config: { ...base, ...selector }, netns };
    assertStringIncludes(pluginError(sandbox, call).msg, words);
    plugin(sandbox, { ...call, command: "DEL", config: { ...base } });
  }
  assertHome(sandbox);
});

kernelTest("host-device: a card driven from user space only gets addresses", (sandbox) => {
  addCard(sandbox);
  const sys = fakeSys(sandbox);
  for (const driver of ["vfio-pci", "uio_pci_generic", "igb_uio"]) {
    const card = `${sys}/bus/pci/devices/0000:00:03.0`;
    Deno.mkdirSync(card, { recursive: true });
    Deno.mkdirSync(`${sys}/bus/pci/drivers/${driver}`, { recursive: true });
    Deno.symlinkSync(`/sys/bus/pci/drivers/${driver}`, `${card}/driver`);
    const netns = sandbox.container();
    const dpdk = { ...withIpam, device: undefined, pciBusID: "0000:00:03.0" };
    const prevResult = plugin(sandbox, { command: "ADD", config: dpdk, netns });
    assertEquals(prevResult.interfaces, [{ name: "eth0", sandbox: netns.path }]);
    assertEquals(prevResult.ips[0].address.endsWith("/24"), true);
    assertEquals(sandbox.links(netns), []);
    plugin(sandbox, { command: "CHECK", config: { ...dpdk, prevResult }, netns });
    Deno.removeSync(card, { recursive: true }); // gone by the time of DEL
    plugin(sandbox, { command: "DEL", config: dpdk, netns });
    assertEquals(reservations("cards"), []);
  }
  assertHome(sandbox);
});

kernelTest("host-device: DEL with anything missing still releases the address", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  for (const gone of ["", "/run/netns/gone"]) {
    plugin(sandbox, { command: "ADD", config: withIpam, netns, containerId: "one" });
    plugin(sandbox, { command: "DEL", config: withIpam, netns: gone, containerId: "one" });
    assertEquals(reservations("cards"), []);
    plugin(sandbox, { command: "DEL", config: withIpam, netns, containerId: "one" });
    assertEquals(sandbox.ip("link show dev card0")[0].ifname, "card0");
    plugin(sandbox, { command: "DEL", config: withIpam, netns, containerId: "one" });
  }
});

kernelTest("host-device: after a forced delete of the namespace DEL brings it home", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: withIpam, netns });
  loseNamespace(sandbox, netns);
  assertEquals(sandbox.links().sort(), ["card1", "eth0"]);
  plugin(sandbox, { command: "DEL", config: withIpam, netns: netns.path });
  assertHome(sandbox);
  assertEquals(reservations("cards"), []);
});

kernelTest(
  "host-device: after a forced delete without DEL the next ADD, or GC, finds it",
  (sandbox) => {
    addCard(sandbox);
    const lost = sandbox.container();
    plugin(sandbox, { command: "ADD", config, netns: lost, containerId: "lost" });
    loseNamespace(sandbox, lost);
    const next = sandbox.container();
    plugin(sandbox, { command: "ADD", config, netns: next, containerId: "next" });
    assertEquals(records(), ["next_eth0.json"]); // the lost one's would take the card from the next
    plugin(sandbox, { command: "DEL", config, netns: lost.path, containerId: "lost" }); // late
    assertEquals(sandbox.ip("link show dev eth0", next)[0].ifalias, "card0");
    plugin(sandbox, { command: "DEL", config, netns: next, containerId: "next" });
    assertHome(sandbox);

    const again = sandbox.container();
    plugin(sandbox, { command: "ADD", config, netns: again, containerId: "again" });
    loseNamespace(sandbox, again);
    plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
    assertHome(sandbox);
  },
);

kernelTest("host-device: a virtual card that died with its namespace is no error", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: withIpam, netns });
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  plugin(sandbox, { command: "DEL", config: withIpam, netns });
  assertEquals([records(), reservations("cards")], [[], []]);
});

kernelTest("host-device: names that are taken, on both sides", (sandbox) => {
  addCard(sandbox);
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"]);
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "card0", "type", "bridge"], { netns });
  plugin(sandbox, { command: "ADD", config: withIpam, netns });
  sandbox.run("ip", ["link", "add", "card0", "type", "bridge"]);
  const error = pluginError(sandbox, { command: "DEL", config: withIpam, netns });
  assertStringIncludes(error.msg, "device card0 came home as dev0");
  assertStringIncludes(error.msg, "taken by bridge card0");
  assertEquals([sandbox.links(netns), reservations("cards")], [["card0"], []]);
  // It is of use already, but for its name.
  assertEquals(addressesOf(sandbox, "dev0"), ["192.0.2.5/24", "fd00:2::5/64"]);
  sandbox.run("ip", ["link", "del", "card0"]);
  plugin(sandbox, { command: "DEL", config: withIpam, netns });
  assertHome(sandbox);
});

kernelTest("host-device: finds home what the Go plugin moved, by the alias alone", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  const run = (command: string, inside?: NetNs) =>
    sandbox.run("ip", command.split(" "), { netns: inside });
  run(`link set card0 netns ${netns.path.split("/").at(-1)}`);
  run("link set card0 name eth0 alias card0", netns);
  plugin(sandbox, { command: "DEL", config, netns });
  const [link] = sandbox.ip("link show dev card0");
  assertEquals([link.address, link.ifalias], [MAC, undefined]);
});

kernelTest("host-device: a failing ADD leaves the card as it was", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  const routes = [{ dst: "10.99.0.0/16", gw: "198.51.100.1" }];
  const failures: [Record<string, unknown>, string][] = [
    [{ ...withIpam, ipam: { type: "none" } }, "failed to find plugin"],
    [{ ...withIpam, ipam: { ...hostLocal, routes } }, "198.51.100.1"],
    [{ ...config, cniVersion: "0.2.0" }, "no valid IP addresses"],
  ];
  for (const [wrong, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: wrong, netns });
    assertStringIncludes(error.msg, words);
    assertHome(sandbox);
    assertEquals([sandbox.links(netns), reservations("cards")], [[], []], words);
  }
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertStringIncludes(error.msg, "eth0 already exists in the container");
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals(sandbox.links(netns), ["eth0"]);
  assertHome(sandbox);
});

kernelTest("host-device: says who has the card, to ADD and to STATUS", (sandbox) => {
  const absent = pluginError(sandbox, { command: "STATUS", config });
  assertEquals(absent.code, 50);
  addCard(sandbox);
  plugin(sandbox, { command: "STATUS", config });
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns, containerId: "owner" });
  plugin(sandbox, { command: "STATUS", config });
  const second = sandbox.container();
  const error = pluginError(sandbox, { command: "ADD", config, netns: second, containerId: "b" });
  assertStringIncludes(error.msg, `in use: container owner has it as eth0 in ${netns.path}`);
  plugin(sandbox, { command: "DEL", config, netns: second, containerId: "b" });
  assertEquals(sandbox.links(netns), ["eth0"]);
});

kernelTest("host-device: GC keeps valid attachments and brings home the others", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config: withIpam, netns, containerId: "a" });
  const gc = (valid: unknown[], name = "cards") =>
    plugin(sandbox, {
      command: "GC",
      config: { ...withIpam, name, "cni.dev/valid-attachments": valid },
    });
  gc([{ containerID: "a", ifname: "eth0" }]);
  gc([], "another");
  assertEquals(sandbox.links(netns), ["eth0"]);
  gc([]);
  assertHome(sandbox);
  assertEquals(reservations("cards"), []);
});

kernelTest("host-device: CHECK sees what is different", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  const ipam = staticAddress("10.7.0.9/24");
  const prevResult = plugin(sandbox, { command: "ADD", config: { ...config, ipam }, netns });
  const fails = (words: string) => {
    const checked = { ...config, ipam, prevResult };
    const error = pluginError(sandbox, { command: "CHECK", config: checked, netns });
    assertStringIncludes(error.msg, words);
  };
  sandbox.run("ip", ["address", "del", "10.7.0.9/24", "dev", "eth0"], { netns });
  fails("10.7.0.9/24");
  sandbox.run("ip", ["link", "set", "eth0", "down"], { netns });
  fails("is down");
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:77"], { netns });
  fails("MAC");
  sandbox.run("ip", ["link", "set", "eth0", "name", "eth7"], { netns });
  fails("eth0");
});

/** An empty /sys for the sandbox. */
function fakeSys(sandbox: Sandbox): string {
  const directory = `${sandbox.directory}/sys`;
  Deno.mkdirSync(directory);
  sandbox.run("mount", ["--bind", directory, "/sys"]);
  return directory;
}
