import { assert, assertEquals, assertExists, assertStringIncludes } from "@std/assert";
import { ping } from "../../scripts/support/ping.ts";
import { NetNs } from "../../lib/ns/netns.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { Capture, isAdvertisement, isArpAnnouncement } from "../support/capture.ts";
import { KeptNetNs } from "../support/link_plugins.ts";
import { addressesOf, hostLocal, reservations, staticAddress } from "../support/network.ts";
import { plugin, pluginDirectory, pluginError, tryPlugin } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
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

kernelTest("host-device: announces its addresses on the wire", (sandbox) => {
  addCard(sandbox);
  using wire = new Capture("card1");
  plugin(sandbox, { command: "ADD", config: withIpam, netns: sandbox.container() });
  assertExists(wire.find((frame) => isArpAnnouncement(frame, [10, 7, 0, 2])));
  assertExists(wire.find((frame) => isAdvertisement(frame, [0xfd, 0, 0, 7])));
});

kernelTest("host-device: a card that was down comes back down", (sandbox) => {
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

kernelTest(
  "host-device: DEL with anything missing returns it, and releases the address",
  (sandbox) => {
    addCard(sandbox);
    const netns = sandbox.container();
    for (const gone of ["", "/run/netns/gone"]) {
      plugin(sandbox, { command: "ADD", config: withIpam, netns });
      for (const path of [gone, netns, gone]) {
        plugin(sandbox, { command: "DEL", config: withIpam, netns: path });
        assertHome(sandbox);
        assertEquals([sandbox.links(netns), reservations("cards")], [[], []]);
      }
    }
  },
);

kernelTest("host-device: after a forced delete of the namespace DEL returns it", (sandbox) => {
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
    assertEquals(records(), ["next:eth0.json"]); // the lost one's would take the card from the next
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

kernelTest("host-device: a card that came back by itself, under its own name", (sandbox) => {
  addCard(sandbox);
  const lost = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns: lost, ifName: "card0", containerId: "lost" });
  loseNamespace(sandbox, lost, "card0");
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assertHome(sandbox);
});

kernelTest(
  "host-device: a container that gets another card returns the lost one",
  (sandbox) => {
    addCard(sandbox);
    sandbox.run("ip", "link add other0 type veth peer name other1".split(" "));
    const lost = sandbox.container();
    plugin(sandbox, { command: "ADD", config, netns: lost });
    loseNamespace(sandbox, lost);
    const other = { ...config, device: "other0" };
    const netns = sandbox.container();
    plugin(sandbox, { command: "ADD", config: other, netns });
    plugin(sandbox, { command: "DEL", config: other, netns });
    assertHome(sandbox);
  },
);

kernelTest("host-device: a late DEL leaves a newer container's card", (sandbox) => {
  addCard(sandbox);
  sandbox.run("ip", "link add other0 type veth peer name other1".split(" "));
  const earlier = sandbox.container("pod");
  const other = { config: { ...withIpam, device: "other0" }, containerId: "earlier" };
  const result = plugin(sandbox, { command: "ADD", ...other, netns: earlier });
  sandbox.run("ip", ["netns", "del", "pod"]); // and the virtual card with it
  earlier[Symbol.dispose]();
  const netns = sandbox.container("pod");
  const newer = { config: withIpam, netns, containerId: "newer" };
  plugin(sandbox, { command: "ADD", ...newer });
  // Twice: the first DEL knows of a card, the second of none.
  for (const prevResult of [undefined, result, undefined]) {
    plugin(sandbox, { command: "DEL", ...other, netns, config: { ...other.config, prevResult } });
    assertEquals([sandbox.links(netns), reservations("cards").length], [["eth0"], 2]);
  }
  plugin(sandbox, { command: "DEL", ...newer });
  assertHome(sandbox);
});

kernelTest("host-device: without a record the MAC address tells whose a card is", (sandbox) => {
  addCard(sandbox);
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config, netns });
  for (const record of records()) Deno.removeSync(`/run/cni/host-device/${record}`);
  const other = structuredClone(result);
  other.interfaces[0].mac = "02:00:00:00:00:99";
  plugin(sandbox, { command: "DEL", config: { ...config, prevResult: other }, netns });
  assertEquals(sandbox.links(netns), ["eth0"]);
  plugin(sandbox, { command: "DEL", config: { ...config, prevResult: result }, netns });
  assertEquals(sandbox.ip("link show dev card0")[0].address, MAC);
});

kernelTest(
  "host-device: DEL finds the card where a process keeps the namespace",
  async (sandbox) => {
    addCard(sandbox);
    for (const path of ["", "/run/netns/gone", "another"]) {
      const netns = sandbox.container();
      plugin(sandbox, { command: "ADD", config: withIpam, netns, containerId: "gone" });
      await using kept = await KeptNetNs.of(sandbox, netns);
      const given = path === "another" ? sandbox.container(netns.path.split("/").at(-1)) : path;
      plugin(sandbox, { command: "DEL", config: withIpam, netns: given, containerId: "gone" });
      assertEquals([kept.links(sandbox), reservations("cards")], [[], []]);
      assertHome(sandbox);
    }
  },
);

kernelTest("host-device: an option that is wrong by now keeps no card", (sandbox) => {
  const wrong = [{ hwaddr: "zz" }, { device: 5 }, { runtimeConfig: { deviceID: "nope" } }];
  for (const more of wrong) {
    addCard(sandbox);
    const netns = sandbox.container();
    plugin(sandbox, { command: "ADD", config: withIpam, netns });
    plugin(sandbox, { command: "DEL", config: { ...withIpam, ...more }, netns });
    assertHome(sandbox);
    assertEquals(reservations("cards"), []);
    sandbox.run("ip", ["link", "del", "card0"]);
  }
});

kernelTest("host-device: options at the zero values of Go are as good as absent", (sandbox) => {
  addCard(sandbox);
  const zero = { hwaddr: "", kernelpath: "", pciBusID: "", DPDKMode: false };
  const nothing = Object.fromEntries(
    ["hwaddr", "kernelpath", "pciBusID", "DPDKMode", "runtimeConfig"].map((key) => [key, null]),
  );
  const empty = { ...zero, runtimeConfig: { deviceID: "" } };
  for (const more of [zero, empty, { ...zero, runtimeConfig: {} }, nothing]) {
    const netns = sandbox.container();
    const result = plugin(sandbox, { command: "ADD", config: { ...config, ...more }, netns });
    assertEquals(result.interfaces, [{ mac: MAC, name: "eth0", sandbox: netns.path }]);
    plugin(sandbox, { command: "DEL", config: { ...config, ...more }, netns });
    assertHome(sandbox);
  }
  const none = { ...config, ...zero, device: "" };
  const error = pluginError(sandbox, { command: "ADD", config: none, netns: sandbox.container() });
  assertStringIncludes(error.msg, "specify either");
});

kernelTest("host-device: an alias that is just somebody's note", (sandbox) => {
  for (
    const command of [
      "link add other0 type veth peer name other1",
      "link set other0 alias card0 up",
    ]
  ) {
    sandbox.run("ip", command.split(" "));
  }
  const netns = sandbox.container();
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertStringIncludes(error.msg, "device card0 is not on the host");
  plugin(sandbox, { command: "DEL", config, netns });
  assertEquals(sandbox.links().sort(), ["other0", "other1"]);
});

kernelTest("host-device: IPv6 addresses come back where IPv6 is off by default", (sandbox) => {
  addCard(sandbox);
  Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  plugin(sandbox, { command: "DEL", config, netns });
  assertHome(sandbox);
});

kernelTest(
  "host-device: names of containers and interfaces that make one when joined",
  (sandbox) => {
    addCard(sandbox);
    sandbox.run("ip", "link add other0 type veth peer name other1".split(" "));
    const one = { config, netns: sandbox.container(), containerId: "a_b", ifName: "c" };
    const other = {
      config: { ...config, device: "other0" },
      netns: sandbox.container(),
      containerId: "a",
      ifName: "b_c",
    };
    for (const command of ["ADD", "DEL"] as const) {
      for (const call of [one, other]) plugin(sandbox, { command, ...call });
    }
    assertHome(sandbox);
  },
);

kernelTest("host-device: of ADDs at the same time one gets the card", async (sandbox) => {
  addCard(sandbox);
  const bin = pluginDirectory();
  const file = "/run/test/config.json";
  Deno.writeTextFileSync(file, JSON.stringify(config));
  for (let round = 0; round < 5; round++) {
    const calls = ["a", "b", "c"].map((containerId) => ({
      containerId,
      netns: sandbox.container(`${containerId}${round}`),
    }));
    const adds = calls.map(({ containerId, netns }) =>
      new BackgroundProcess("sh", ["-c", `exec ${bin}/host-device <${file}`], {
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: containerId,
          CNI_NETNS: netns.path,
          CNI_IFNAME: "eth0",
          CNI_PATH: bin,
        },
      })
    );
    const codes = await Promise.all(adds.map((add) => add.end()));
    assertEquals(codes.toSorted(), [0, 1, 1]);
    const owner = calls[codes.indexOf(0)]!;
    for (const { output } of adds.filter((_, i) => codes[i] === 1)) {
      assertStringIncludes(output, `in use: container ${owner.containerId} has it`);
    }
    for (const call of calls) plugin(sandbox, { command: "DEL", config, ...call });
    assertHome(sandbox);
  }
});

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
  assertStringIncludes(error.msg, "device card0 came back as dev0");
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

kernelTest("host-device: STATUS wants the device, whatever it is known by", (sandbox) => {
  const sys = fakeSys(sandbox);
  const { device: _, ...base } = config;
  const hardware = [
    { kernelpath: "/sys/devices/pci0000:00/0000:00:1f.6" },
    { pciBusID: "0000:00:1f.6" },
  ];
  const status = (selector: Record<string, unknown>) =>
    tryPlugin(sandbox, { command: "STATUS", config: { ...base, ...selector } });
  for (const selector of [{ hwaddr: MAC }, ...hardware]) {
    assertEquals(status(selector).json?.code, 50);
  }
  assertEquals(status({}).code, 0); // the runtime may name it
  addCard(sandbox);
  for (const directory of ["devices/pci0000:00", "bus/pci/devices"]) {
    Deno.mkdirSync(`${sys}/${directory}/0000:00:1f.6`, { recursive: true });
  }
  for (const selector of [{ hwaddr: MAC }, ...hardware]) assertEquals(status(selector).code, 0);
  plugin(sandbox, { command: "ADD", config, netns: sandbox.container() });
  assertEquals(status({ hwaddr: MAC }).code, 0);
});

kernelTest("host-device: GC keeps valid attachments and returns the others", (sandbox) => {
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

// The kernel returns hardware to the first namespace, which is a real host's: only a machine that
// nobody misses has one to test with. It has two cards with a cable between them.
kernelTest("host-device: hardware, whose namespace may really be deleted", async (sandbox) => {
  using host = NetNs.open("/proc/1/ns/net");
  const onHost = (command: string) => sandbox.run("ip", command.split(" "), { netns: host });
  for (const module of ["virtio_net", "e1000"]) sandbox.run("modprobe", [module]);
  const [card, far] = sandbox.links(host).map((name) => {
    const kernelpath = Deno.realPathSync(`/sys/class/net/${name}/device`);
    const pciBusID = kernelpath.split("/").find((part) => /^[0-9a-f]{4}:[0-9a-f]{2}:/.test(part))!;
    return { name, kernelpath, pciBusID };
  });
  assert(card && far);
  for (
    const command of [
      `address add 192.0.2.5/24 dev ${card.name}`,
      `address add fd00:2::5/64 dev ${card.name}`,
      `address add 10.7.0.1/24 dev ${far.name}`,
      `link set ${card.name} up`,
      `link set ${far.name} up`,
    ]
  ) onHost(command);
  const [before] = sandbox.ip(`link show dev ${card.name}`, host);
  const isHome = () => {
    const [link] = sandbox.ip("link show", host).filter(({ ifname }) => ifname === card.name);
    if (!link || link.address !== before.address || link.ifalias) return false;
    return link.flags.includes("UP") &&
      addressesOf(sandbox, card.name, host).join() === "192.0.2.5/24,fd00:2::5/64";
  };
  const ipam = staticAddress("10.7.0.2/24");
  const { device: _, ...base } = { ...config, ipam };
  const selectors = [
    { device: card.name },
    { hwaddr: before.address },
    { kernelpath: card.kernelpath },
    { pciBusID: card.pciBusID },
    { runtimeConfig: { deviceID: card.pciBusID } },
  ];
  for (const [i, selector] of selectors.entries()) {
    const netns = sandbox.container(`card${i}`);
    // A name that the kernel cannot leave it when it comes back: that is taken there.
    const call = { config: { ...base, ...selector }, ifName: far.name };
    host.run(() => void plugin(sandbox, { command: "ADD", ...call, netns }));
    // Not whether it reaches the other one: emulated cards do not always find their cable.
    const [inside] = sandbox.ip(`address show dev ${far.name}`, netns);
    assertEquals(inside.address, before.address);
    assert(inside.flags.includes("UP"));
    assertEquals(addressesOf(sandbox, far.name, netns), ["10.7.0.2/24"]);
    netns[Symbol.dispose](); // it would live on with a descriptor
    sandbox.run("ip", ["netns", "del", `card${i}`]);
    host.run(() => void plugin(sandbox, { command: "DEL", ...call, netns: netns.path }));
    assert(isHome(), `${Object.keys(selector)}: ${onHost("address show")}`);
    assertEquals(records(), []);
  }

  // Without DEL, and while a process keeps the namespace alive.
  const netns = sandbox.container("kept");
  const call = { config: { ...base, device: card.name }, ifName: "net1" };
  host.run(() => void plugin(sandbox, { command: "ADD", ...call, netns }));
  netns[Symbol.dispose]();
  const keeper = new BackgroundProcess("ip", ["netns", "exec", "kept", "sleep", "1000"]);
  await keeper.until(() => sandbox.run("ip", ["netns", "pids", "kept"]) !== "", "a process inside");
  sandbox.run("ip", ["netns", "del", "kept"]);
  host.run(() => void plugin(sandbox, { command: "DEL", ...call, netns: netns.path }));
  assert(isHome(), onHost("address show"));
  assertEquals(records(), []);
  await keeper.stop("SIGKILL");

  // Given to a driver for user space, a card has no interface any more.
  sandbox.run("modprobe", ["uio_pci_generic"]);
  const sys = `/sys/bus/pci/devices/${far.pciBusID}`;
  Deno.writeTextFileSync(`${sys}/driver_override`, "uio_pci_generic");
  Deno.writeTextFileSync(`${sys}/driver/unbind`, far.pciBusID);
  Deno.writeTextFileSync("/sys/bus/pci/drivers_probe", far.pciBusID);
  const container = sandbox.container();
  const driven = { config: { ...base, pciBusID: far.pciBusID }, netns: container };
  const result = host.run(() => [plugin(sandbox, { command: "ADD", ...driven })])[0];
  assertEquals(result.interfaces, [{ name: "eth0", sandbox: container.path }]);
  assertEquals([result.ips[0].address, sandbox.links(container)], ["10.7.0.2/24", []]);
  host.run(() => void plugin(sandbox, { command: "DEL", ...driven }));
}, { needs: ["test-kernel"] });

/** An empty /sys for the sandbox. */
function fakeSys(sandbox: Sandbox): string {
  const directory = `${sandbox.directory}/sys`;
  Deno.mkdirSync(directory);
  sandbox.run("mount", ["--bind", directory, "/sys"]);
  return directory;
}

kernelTest("host-device: a card by an alternative name", (sandbox) => {
  for (const device of ["uplink-a", "enp0s0f0np0-with-a-long-name"]) {
    addCard(sandbox);
    sandbox.run("ip", ["link", "property", "add", "dev", "card0", "altname", device]);
    const config = { ...withIpam, device };
    const netns = sandbox.container();
    plugin(sandbox, { command: "STATUS", config });
    const result = plugin(sandbox, { command: "ADD", config, netns });
    assertEquals(sandbox.ip("link show dev eth0", netns)[0].ifalias, "card0");
    plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
    plugin(sandbox, { command: "STATUS", config });
    const second = { config, netns: sandbox.container(), containerId: "b" };
    assertStringIncludes(
      pluginError(sandbox, { command: "ADD", ...second }).msg,
      `device ${device} is in use: container test has it as eth0`,
    );
    plugin(sandbox, { command: "DEL", ...second });
    plugin(sandbox, { command: "DEL", config, netns });
    assertHome(sandbox);
    assertEquals(sandbox.ip("link show dev card0")[0].altnames, [device]);
    // What came home by itself.
    plugin(sandbox, { command: "ADD", config, netns });
    loseNamespace(sandbox, netns);
    plugin(sandbox, { command: "ADD", ...second });
    plugin(sandbox, { command: "DEL", ...second });
    plugin(sandbox, { command: "DEL", config, netns });
    assertHome(sandbox);
    sandbox.run("ip", ["link", "del", "card0"]);
  }
});

kernelTest("host-device: names that a container gave the card do not keep it", (sandbox) => {
  addCard(sandbox);
  sandbox.run("ip", ["link", "property", "add", "dev", "card0", "altname", "uplink-a"]);
  const netns = sandbox.container();
  plugin(sandbox, { command: "ADD", config, netns });
  for (const name of ["card0", "card1", "uplink-b"]) {
    sandbox.run("ip", ["link", "property", "add", "dev", "eth0", "altname", name], { netns });
  }
  plugin(sandbox, { command: "DEL", config, netns });
  assertHome(sandbox);
  assertEquals(sandbox.ip("link show dev card0")[0].altnames.sort(), ["uplink-a", "uplink-b"]);

  plugin(sandbox, { command: "ADD", config, netns });
  sandbox.run("ip", ["link", "property", "add", "dev", "eth0", "altname", "card0"], { netns });
  loseNamespace(sandbox, netns);
  plugin(sandbox, { command: "DEL", config, netns });
  assertHome(sandbox);
});
