import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { macForAddress } from "../../lib/ip/mac.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import type { NetNs } from "../../lib/ns/netns.ts";
import { SPEC_VERSIONS } from "../../lib/types/versions.ts";
import { ping } from "../../scripts/support/ping.ts";
import { sendFrame } from "../support/capture.ts";
import { interruptedAdd } from "../support/interrupted_add.ts";
import { plugin, pluginDirectory, pluginError, tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const needs = ["nft"];
const routes = [{ dst: "10.99.0.0/16" }];
const base = { cniVersion: "1.1.0", name: "brn", type: "bridge", bridge: "br0" };
/** Dual stack, the bridge being the gateway, for the container with this number. */
const dual = (last = 5) => ({
  ...base,
  isDefaultGateway: true,
  ipam: {
    type: "static",
    addresses: [
      { address: `10.9.0.${last}/24`, gateway: "10.9.0.1" },
      { address: `fd00:9::${last}/64`, gateway: "fd00:9::1" },
    ],
  },
});
/** One IPv4 address, no gateway of its own. */
const single = (address = "10.9.0.5/24", more: Record<string, unknown> = {}) => ({
  ...base,
  ipam: { type: "static", addresses: [{ address }], ...more },
});

/** Less time than looking for duplicates of an address takes, enough on a busy machine. */
const AT_ONCE = { attempts: 2, intervalMs: 400 };

// deno-lint-ignore no-explicit-any -- iproute2's JSON has no types
type Any = any;

/** `ADDRESS/PREFIX` of an interface's addresses, without those the kernel made. */
function addresses(sandbox: Sandbox, device: string, netns?: NetNs): string[] {
  return sandbox.ip(`address show dev ${device}`, netns)[0].addr_info
    .filter(({ scope }: Any) => scope === "global")
    .map(({ local, prefixlen }: Any) => `${local}/${prefixlen}`);
}

function mac(sandbox: Sandbox, device: string, netns?: NetNs): string {
  return sandbox.ip(`link show dev ${device}`, netns)[0].address;
}

function sysctl(key: string, netns?: NetNs): string {
  const read = () => Deno.readTextFileSync(`/proc/sys/net/${key}`).trim();
  return netns ? netns.run(read) : read();
}

kernelTest("bridge: ADD makes a dual-stack network as the Go plugin does", (sandbox) => {
  const netns = sandbox.container();
  const config = dual();
  const result = plugin(sandbox, { command: "ADD", config, netns });
  const veth = result.interfaces[1].name;
  assertMatch(veth, /^veth[0-9a-f]{11}$/);
  assertEquals(result, {
    cniVersion: "1.1.0",
    interfaces: [
      { mac: "0a:58:0a:09:00:01", name: "br0" },
      { mac: mac(sandbox, veth), name: veth },
      { mac: "0a:58:0a:09:00:05", name: "eth0", sandbox: netns.path },
    ],
    ips: [
      { address: "10.9.0.5/24", gateway: "10.9.0.1", interface: 2 },
      { address: "fd00:9::5/64", gateway: "fd00:9::1", interface: 2 },
    ],
    routes: [{ dst: "0.0.0.0/0", gw: "10.9.0.1" }, { dst: "::/0", gw: "fd00:9::1" }],
  });

  // Inside.
  const [inside] = sandbox.ip("-d address show dev eth0", netns);
  assertEquals([inside.operstate, inside.txqlen, inside.linkinfo.info_kind], ["UP", 1000, "veth"]);
  const global = inside.addr_info.filter(({ scope }: Any) => scope === "global");
  assertEquals(global.map((a: Any) => [a.local, a.prefixlen, a.broadcast, a.nodad, a.tentative]), [
    ["10.9.0.5", 24, "10.9.0.255", undefined, undefined],
    ["fd00:9::5", 64, undefined, undefined, undefined],
  ]);
  const table = (family: string) =>
    sandbox.ip(`${family} route show`, netns).filter(({ dst }) => !dst.startsWith("fe80"))
      .map((r) => [r.dst, r.gateway, r.dev, r.protocol, r.scope, r.prefsrc, r.metric]);
  assertEquals(table("-4"), [
    ["default", "10.9.0.1", "eth0", undefined, undefined, undefined, undefined],
    ["10.9.0.0/24", undefined, "eth0", "kernel", "link", "10.9.0.5", undefined],
  ]);
  assertEquals(table("-6").sort(), [
    ["default", "fd00:9::1", "eth0", undefined, undefined, undefined, 1024],
    ["fd00:9::/64", undefined, "eth0", "kernel", undefined, undefined, 256],
  ]);
  assertEquals(
    [
      "ipv4/conf/eth0/arp_notify",
      "ipv6/conf/eth0/accept_dad",
      "ipv6/conf/eth0/disable_ipv6",
      "ipv6/conf/eth0/keep_addr_on_down",
      "ipv6/conf/eth0/accept_ra",
    ].map((key) => sysctl(key, netns)),
    ["1", "0", "0", "1", "1"],
  );

  // On the host.
  const [port] = sandbox.ip(`-d link show dev ${veth}`);
  const { state, hairpin, isolated } = port.linkinfo.info_slave_data;
  assertEquals([port.master, port.operstate, state], ["br0", "UP", "forwarding"]);
  assertEquals([port.txqlen, hairpin, isolated], [undefined, false, false]);
  assertEquals([port.num_tx_queues, port.num_rx_queues], [1, 1]);
  assertEquals(addresses(sandbox, "br0"), ["10.9.0.1/24", "fd00:9::1/64"]);
  assertEquals(mac(sandbox, "br0"), "0a:58:0a:09:00:01");
  const bridge = sandbox.ip("-d link show dev br0")[0];
  assertEquals([bridge.operstate, bridge.linkinfo.info_data.vlan_filtering], ["UP", 0]);
  for (const device of ["br0", veth]) assertEquals(sysctl(`ipv6/conf/${device}/accept_ra`), "0");
  assertEquals([sysctl("ipv4/ip_forward"), sysctl("ipv6/conf/all/forwarding")], ["1", "1"]);
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
});

kernelTest("bridge: a result of version 0.2.0 is the Go plugin's to the byte", (sandbox) => {
  const config = { ...dual(), cniVersion: "0.2.0" };
  const reply = tryPlugin(sandbox, { command: "ADD", config, netns: sandbox.container() });
  assertEquals(
    reply.stdout,
    `{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.9.0.5/24",
        "gateway": "10.9.0.1",
        "routes": [
            {
                "dst": "0.0.0.0/0",
                "gw": "10.9.0.1"
            }
        ]
    },
    "ip6": {
        "ip": "fd00:9::5/64",
        "gateway": "fd00:9::1",
        "routes": [
            {
                "dst": "::/0",
                "gw": "fd00:9::1"
            }
        ]
    },
    "dns": {}
}`,
  );
});

for (const cniVersion of SPEC_VERSIONS) {
  kernelTest(`bridge: ADD, CHECK and DEL in version ${cniVersion}`, (sandbox) => {
    const netns = sandbox.container();
    const config = { ...dual(), cniVersion };
    const result = plugin(sandbox, { command: "ADD", config, netns });
    assertEquals(result.cniVersion, cniVersion);
    if (cniVersion < "0.3.0") {
      assertEquals([result.ip4.ip, result.ip6.ip], ["10.9.0.5/24", "fd00:9::5/64"]);
    } else {
      const old = cniVersion < "1.0.0";
      assertEquals(
        result.ips.map((ip: Any) => ip.version),
        old ? ["4", "6"] : [undefined, undefined],
      );
      assertEquals(result.interfaces.map(({ sandbox }: Any) => sandbox), [
        undefined,
        undefined,
        netns.path,
      ]);
      assertEquals(result.dns, old ? {} : undefined);
    }
    const check = { command: "CHECK", config: { ...config, prevResult: result }, netns } as const;
    if (cniVersion < "0.4.0") assertEquals(pluginError(sandbox, check).code, 1);
    else plugin(sandbox, check);
    plugin(sandbox, { command: "DEL", config, netns });
    assertEquals([sandbox.links(), sandbox.links(netns)], [["br0"], []]);
  });
}

kernelTest("bridge: containers reach each other and the gateway at once", (sandbox) => {
  const [a, b] = [sandbox.container(), sandbox.container()];
  plugin(sandbox, { command: "ADD", config: dual(5), netns: a, containerId: "a" });
  for (const gateway of ["10.9.0.1", "fd00:9::1"]) assert(ping(a, gateway, AT_ONCE), gateway);
  plugin(sandbox, { command: "ADD", config: dual(6), netns: b, containerId: "b" });
  for (const target of ["10.9.0.6", "fd00:9::6"]) assert(ping(a, target, AT_ONCE), target);
  assertStringIncludes(
    sandbox.run("busybox", ["ping", "-c1", "-W2", "10.9.0.5"], { netns: b }),
    "1 packets received",
  );
}, { needs: ["busybox"] });

kernelTest("bridge: the host asks for a new container's IPv6 neighbours at once", (sandbox) => {
  const [client, netns] = [sandbox.container("client"), sandbox.container()];
  const link = ["link", "add", "up0", "type", "veth", "peer", "out0", "netns", "client"];
  sandbox.run("ip", link);
  for (const [device, host, ns] of [["up0", 1, undefined], ["out0", 2, client]] as const) {
    const address = ["address", "add", `2001:db8::${host}/64`, "dev", device, "nodad"];
    sandbox.run("ip", address, { netns: ns });
    sandbox.run("ip", ["link", "set", device, "up"], { netns: ns });
  }
  sandbox.run("ip", ["route", "add", "fd00:9::/64", "via", "2001:db8::1"], { netns: client });
  plugin(sandbox, { command: "ADD", config: dual(), netns });
  assert(ping(client, "fd00:9::5", AT_ONCE), "a forwarded packet comes first");
});

kernelTest("bridge: without IPAM the container's interface is up and has no address", (sandbox) => {
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config: base, netns });
  assertEquals(Object.keys(result), ["cniVersion", "interfaces"]);
  const [link] = sandbox.ip("link show dev eth0", netns);
  assertEquals([link.operstate, link.address], ["UP", result.interfaces[2].mac]);
  assertEquals(addresses(sandbox, "eth0", netns), []);
  // The bridge's MAC address is that of one port or another.
  sandbox.run("ip", ["link", "set", "br0", "address", "02:00:00:00:00:01"]);
  plugin(sandbox, { command: "CHECK", config: { ...base, prevResult: result }, netns });
  plugin(sandbox, { command: "DEL", config: base, netns });
  assertEquals(sandbox.links(netns), []);
});

kernelTest("bridge: disableContainerInterface leaves the container's end down", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...base, disableContainerInterface: true };
  const result = plugin(sandbox, { command: "ADD", config, netns });
  assertEquals(sandbox.ip("link show dev eth0", netns)[0].operstate, "DOWN");
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
});

kernelTest("bridge: `bridge` is cni0 when nothing else is said", (sandbox) => {
  const { bridge: _, ...config } = base;
  plugin(sandbox, { command: "ADD", config, netns: sandbox.container() });
  assert(sandbox.links().includes("cni0"));
});

kernelTest("bridge: MAC addresses are those asked for, or belong to addresses", (sandbox) => {
  let count = 0;
  const add = (more: Record<string, unknown>, args = "") => {
    const netns = sandbox.container();
    const config = { ...single(`10.9.0.${++count + 1}/24`), ...more };
    const { interfaces } = plugin(sandbox, {
      command: "ADD",
      config,
      netns,
      containerId: `c${count}`,
      args,
    });
    assertEquals(mac(sandbox, "eth0", netns), interfaces[2].mac);
    return interfaces[2].mac;
  };
  const args = "IgnoreUnknown=1;K8S_POD_NAME=p;MAC=02:00:00:00:00:01";
  const inConfig = { args: { cni: { mac: "02-00-00-00-00-02" } } };
  const atRuntime = {
    capabilities: { mac: true },
    runtimeConfig: { mac: "02:00:00:00:00:AA" },
  };
  assertEquals(add({}), "0a:58:0a:09:00:02");
  assertEquals(add({}, args), "02:00:00:00:00:01");
  assertEquals(add(inConfig, args), "02:00:00:00:00:02");
  assertEquals(add({ ...inConfig, ...atRuntime }, args), "02:00:00:00:00:aa");
  // Empty is as good as absent.
  assertEquals(add({ runtimeConfig: { mac: "" } }), "0a:58:0a:09:00:06");
  // IPv6 alone: the same prefix and a hash.
  const six = { ...single("fd00:9::7/64"), isGateway: true, bridge: "br6" };
  assertEquals(add(six), macForAddress(IpAddress.parse("fd00:9::7")));
  assertEquals(mac(sandbox, "br6"), macForAddress(IpAddress.parse("fd00:9::1")));
});

kernelTest(
  "bridge: a MAC address that is none is refused, naming where it came from",
  (sandbox) => {
    const cases: [Record<string, unknown>, string, string][] = [
      [{ runtimeConfig: { mac: "nonsense" } }, "", '"runtimeConfig.mac" is "nonsense"'],
      [{ args: { cni: { mac: "01:00:00:00:00:01" } } }, "", '"args.cni.mac"'],
      [{}, "MAC=00:00:00:00:00:00", "MAC in CNI_ARGS"],
      [{}, "MAC=02:00:00:00:00:01:02:03", "MAC in CNI_ARGS"],
      [{}, "NAC=02:00:00:00:00:01", "unknown args"],
    ];
    for (const [more, args, words] of cases) {
      const netns = sandbox.container();
      const config = { ...base, ...more };
      const error = pluginError(sandbox, { command: "ADD", config, netns, args });
      assertStringIncludes(error.msg, words);
      assertEquals(sandbox.links(), []);
      // What ADD refuses must not keep a runtime from cleaning up.
      plugin(sandbox, { command: "DEL", config, netns, args });
    }
  },
);

kernelTest("bridge: mtu is that of a new bridge and of both ends", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...base, mtu: 1400 };
  const { interfaces } = plugin(sandbox, { command: "ADD", config, netns });
  const mtu = (device: string, ns?: NetNs) => sandbox.ip(`link show dev ${device}`, ns)[0].mtu;
  assertEquals(
    [mtu("br0"), mtu(interfaces[1].name), mtu("eth0", netns)],
    [1400, 1400, 1400],
  );
});

kernelTest("bridge: a bridge that exists is used as it is", (sandbox) => {
  sandbox.run("ip", ["link", "add", "br0", "mtu", "1300", "type", "bridge"]);
  const own = mac(sandbox, "br0");
  const result = plugin(sandbox, {
    command: "ADD",
    config: { ...single(), mtu: 1200, isGateway: true },
    netns: sandbox.container(),
  });
  const [bridge] = sandbox.ip("link show dev br0");
  assertEquals([bridge.mtu, bridge.operstate], [1200, "UP"]); // the kernel's doing: the lowest port's
  // Nor does it take the MAC address of its first port.
  assertEquals(result.interfaces[0], { name: "br0", mac: own });
});

kernelTest(
  "bridge: a bridge that was there takes no router advertisements any more, unless ADD fails",
  (sandbox) => {
    sandbox.run("ip", ["link", "add", "br0", "type", "bridge"]);
    const key = "/proc/sys/net/ipv6/conf/br0/accept_ra";
    const acceptRa = () => Deno.readTextFileSync(key).trim();
    Deno.writeTextFileSync(key, "2");
    const config = { ...single(), ipMasq: true, ipMasqBackend: "iptables" };
    // Masquerading comes last, and fails.
    const env = { PATH: "/nowhere" };
    pluginError(sandbox, { command: "ADD", config, netns: sandbox.container(), env });
    assertEquals(acceptRa(), "2");
    plugin(sandbox, { command: "ADD", config: single(), netns: sandbox.container() });
    assertEquals(acceptRa(), "0");
  },
);

kernelTest("bridge: a bridge in use keeps its MAC address", (sandbox) => {
  sandbox.run("ip", ["link", "add", "br0", "address", "02:00:00:00:00:99", "type", "bridge"]);
  sandbox.run("ip", ["address", "add", "fd00:1::1/64", "dev", "br0"]);
  const result = plugin(sandbox, {
    command: "ADD",
    config: dual(),
    netns: sandbox.container(),
  });
  assertEquals(result.interfaces[0].mac, "02:00:00:00:00:99");
  assertEquals(addresses(sandbox, "br0").sort(), ["10.9.0.1/24", "fd00:1::1/64", "fd00:9::1/64"]);
});

kernelTest("bridge: what has the bridge's name and is none is left alone", (sandbox) => {
  sandbox.run("ip", ["link", "add", "br0", "type", "veth", "peer", "br1"]);
  const netns = sandbox.container();
  const error = pluginError(sandbox, { command: "ADD", config: dual(), netns });
  assertStringIncludes(error.msg, '"br0" already exists but is not a bridge: it is a veth');
  assert(!error.msg.includes("ip link del"), "it may be what the host is reached by");
  assertEquals([error.code, sandbox.links().sort(), sandbox.links(netns)], [
    7,
    ["br0", "br1"],
    [],
  ]);
});

kernelTest("bridge: isGateway makes the network's first address the gateway", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...single("10.9.0.5/24", { routes }), isGateway: true };
  const result = plugin(sandbox, { command: "ADD", config, netns });
  assertEquals(result.ips[0].gateway, "10.9.0.1");
  assertEquals(result.routes, routes);
  assertEquals(addresses(sandbox, "br0"), ["10.9.0.1/24"]);
  assertEquals(sandbox.ip("route show 10.99.0.0/16", netns)[0].gateway, "10.9.0.1");
  assertEquals(sandbox.ip("route show default", netns), []);
});

kernelTest("bridge: without isGateway the bridge has no address", (sandbox) => {
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config: single(), netns });
  assertEquals([result.ips[0].gateway, addresses(sandbox, "br0")], [undefined, []]);
  assertEquals(sysctl("ipv4/ip_forward"), "0");
});

kernelTest("bridge: isDefaultGateway adds a default route where IPAM gave none", (sandbox) => {
  const added = { dst: "0.0.0.0/0", gw: "10.9.0.1" };
  const cases: [Record<string, unknown>[], Record<string, unknown>[]][] = [
    [[], [added]],
    // Upstream added a second, identical route to this one, and failed.
    [[{ dst: "0.0.0.0/0" }], [{ dst: "0.0.0.0/0" }]],
    // To the kernel 0 is the main table.
    [[{ dst: "0.0.0.0/0", table: 0 }], [{ dst: "0.0.0.0/0", table: 0 }]],
    [[{ dst: "0.0.0.0/0", gw: "10.9.0.9" }], [{ dst: "0.0.0.0/0", gw: "10.9.0.9" }]],
    // Neither of these is the one that isDefaultGateway asks for.
    [[{ dst: "0.0.0.0/0", table: 100 }], [{ dst: "0.0.0.0/0", table: 100 }, added]],
    [[{ dst: "0.0.0.0/0", priority: 7 }], [{ dst: "0.0.0.0/0", priority: 7 }, added]],
  ];
  for (const [given, expected] of cases) {
    const netns = sandbox.container();
    const config = { ...single("10.9.0.5/24", { routes: given }), isDefaultGateway: true };
    const result = plugin(sandbox, { command: "ADD", config, netns });
    assertEquals(result.routes, expected);
    const [{ gateway, metric }] = sandbox.ip("route show default", netns) as [Any];
    assertEquals([gateway, metric], [expected.at(-1)!.gw ?? "10.9.0.1", undefined]);
    plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
    plugin(sandbox, { command: "DEL", config, netns });
  }
});

kernelTest("bridge: another IPv4 address is in the gateway's way", (sandbox) => {
  const config = { ...single(), isGateway: true };
  sandbox.run("ip", ["link", "add", "br0", "address", "02:00:00:00:00:99", "type", "bridge"]);
  sandbox.run("ip", ["address", "add", "10.5.0.1/24", "dev", "br0"]);
  const netns = sandbox.container();
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertEquals(error.code, 7);
  assertStringIncludes(
    error.msg,
    '"br0" already has an IP address different from 10.9.0.1/24: 10.5.0.1/24; set "forceAddress"',
  );
  assertEquals([mac(sandbox, "br0"), addresses(sandbox, "br0")], [
    "02:00:00:00:00:99",
    ["10.5.0.1/24"],
  ]);
  assertEquals([sandbox.links(), sandbox.links(netns)], [["br0"], []]);

  // The kernel removes this one with the first of its network.
  sandbox.run("ip", ["address", "add", "10.5.0.9/24", "dev", "br0"]);
  plugin(sandbox, { command: "ADD", config: { ...config, forceAddress: true }, netns });
  assertEquals(addresses(sandbox, "br0"), ["10.9.0.1/24"]);
  assertEquals(mac(sandbox, "br0"), "02:00:00:00:00:99");
});

kernelTest("bridge: IPv6 gateways of networks apart from each other share a bridge", (sandbox) => {
  const add = (address: string, more = {}) => ({
    command: "ADD" as const,
    config: { ...single(address), isGateway: true, ...more },
    netns: sandbox.container(),
  });
  plugin(sandbox, add("fd00:1::5/64"));
  plugin(sandbox, add("fd00:2::5/64"));
  assertEquals(addresses(sandbox, "br0").sort(), ["fd00:1::1/64", "fd00:2::1/64"]);
  assertEquals(mac(sandbox, "br0"), macForAddress(IpAddress.parse("fd00:1::1")));
  const overlapping = add("fd00:2::1:5/48");
  assertStringIncludes(pluginError(sandbox, overlapping).msg, "fd00:2::1/64");
  plugin(sandbox, { ...overlapping, config: { ...overlapping.config, forceAddress: true } });
  assertEquals(addresses(sandbox, "br0").sort(), ["fd00:1::1/64", "fd00:2::1/48"]);
});

kernelTest("bridge: an address cannot be its own gateway", (sandbox) => {
  const netns = sandbox.container();
  for (const address of ["10.9.0.1/24", "10.9.0.5/32"]) {
    const config = { ...single(address), isGateway: true };
    const error = pluginError(sandbox, { command: "ADD", config, netns });
    assertStringIncludes(error.msg, address);
    assertStringIncludes(error.msg, '"gateway"');
    assertEquals([sandbox.links(), sandbox.links(netns)], [[], []]);
  }
});

kernelTest("bridge: dns of the configuration takes the place of IPAM's", (sandbox) => {
  const dns = { nameservers: ["192.0.2.1"], domain: "a.example" };
  const given = (own?: Record<string, unknown>) => {
    const config = { ...single("10.9.0.5/24", { dns }), ...(own ? { dns: own } : {}) };
    const netns = sandbox.container();
    return plugin(sandbox, { command: "ADD", config, netns }).dns;
  };
  assertEquals(given(), dns);
  assertEquals(given({ nameservers: ["192.0.2.2"] }), { nameservers: ["192.0.2.2"] });
  assertEquals(given({ search: [] }), undefined);
  assertEquals(given({}), dns);
});

kernelTest("bridge: enabledad has the kernel look for duplicates", (sandbox) => {
  const [a, b] = [sandbox.container(), sandbox.container()];
  const config = {
    ...base,
    enabledad: true,
    ipam: { type: "static", addresses: [{ address: "fd00:9::5/64", gateway: "fd00:9::1" }] },
  };
  plugin(sandbox, { command: "ADD", config, netns: a, containerId: "a" });
  assertEquals(
    ["accept_dad", "enhanced_dad"].map((key) => sysctl(`ipv6/conf/eth0/${key}`, a)),
    ["1", "1"],
  );
  // Of the same address the same MAC address would be made, and the link-local address of that.
  const other = { ...config, runtimeConfig: { mac: "02:00:00:00:00:01" } };
  const error = pluginError(sandbox, { command: "ADD", config: other, netns: b, containerId: "b" });
  assertStringIncludes(error.msg, "already uses fd00:9::5");
  assertEquals(sandbox.links(b), []);
});

kernelTest("bridge: promiscMode is the bridge's", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...base, promiscMode: true };
  const result = plugin(sandbox, { command: "ADD", config, netns });
  assert(sandbox.ip("link show dev br0")[0].flags.includes("PROMISC"));
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
});

kernelTest("bridge: hairpinMode gives a container back what it sent", (sandbox) => {
  for (const hairpinMode of [true, false]) {
    const netns = sandbox.container();
    const config = { ...single(), hairpinMode };
    const { interfaces } = plugin(sandbox, { command: "ADD", config, netns });
    const [port] = sandbox.ip(`-d link show dev ${interfaces[1].name}`);
    assertEquals(port.linkinfo.info_slave_data.hairpin, hairpinMode);
    // To a neighbour that is not there: the bridge passes the frames on to every port.
    const neighbour = ["neigh", "add", "10.9.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0"];
    sandbox.run("ip", neighbour, { netns });
    const received = () => sandbox.ip("-s link show dev eth0", netns)[0].stats64.rx.bytes;
    const before = received();
    sandbox.try("busybox", ["ping", "-c3", "-i0.1", "-W1", "-s1300", "10.9.0.77"], { netns });
    assertEquals(received() - before > 3 * 1300, hairpinMode);
    plugin(sandbox, { command: "DEL", config, netns });
  }
}, { needs: ["busybox"] });

kernelTest("bridge: isolated containers reach the gateway, and each other not", (sandbox) => {
  const containers = [5, 6, 7].map((last) => {
    const netns = sandbox.container();
    const config = { ...dual(last), portIsolation: last < 7 };
    const result = plugin(sandbox, { command: "ADD", config, netns, containerId: `c${last}` });
    plugin(sandbox, {
      command: "CHECK",
      config: { ...config, prevResult: result },
      netns,
      containerId: `c${last}`,
    });
    return netns;
  });
  const [first] = containers as [NetNs];
  assert(ping(first, "10.9.0.1"));
  assert(ping(first, "10.9.0.7"), "the third is not isolated");
  assertEquals(ping(first, "10.9.0.6", { attempts: 2 }), undefined);
  assertEquals(ping(first, "fd00:9::6", { attempts: 2 }), undefined);
});

kernelTest(
  "bridge: macspoofchk lets nothing through but the container's own address",
  (sandbox) => {
    const netns = sandbox.container();
    const config = { ...dual(), macspoofchk: true };
    const result = plugin(sandbox, { command: "ADD", config, netns, containerId: "a.b" });
    const veth = result.interfaces[1].name;
    assertEquals(
      sandbox.run("nft", ["list", "table", "bridge", "nat"]).replaceAll("\t", "  "),
      `table bridge nat {
  chain PREROUTING {
    type filter hook prerouting priority dstnat; policy accept;
    iifname "${veth}" jump cni-br-iface-a.b-eth0 comment "macspoofchk-a.b-eth0"
  }

  chain cni-br-iface-a.b-eth0 {
    jump cni-br-iface-a.b-eth0-mac comment "macspoofchk-a.b-eth0"
  }

  chain cni-br-iface-a.b-eth0-mac {
    ether saddr 0a:58:0a:09:00:05 return comment "macspoofchk-a.b-eth0"
    drop comment "macspoofchk-a.b-eth0"
  }
}
`,
    );
    const gateways = ["10.9.0.1", "fd00:9::1"];
    for (const gateway of gateways) assert(ping(netns, gateway), gateway);
    const setMac = (address: string) =>
      sandbox.run("ip", ["link", "set", "eth0", "address", address], { netns });
    setMac("02:00:00:00:00:99");
    for (const gateway of gateways) {
      assertEquals(ping(netns, gateway, { attempts: 2 }), undefined, gateway);
    }
    setMac("0a:58:0a:09:00:05");
    for (const gateway of gateways) assert(ping(netns, gateway), gateway);

    const check = {
      command: "CHECK",
      config: { ...config, prevResult: result },
      netns,
      containerId: "a.b",
    } as const;
    plugin(sandbox, check);
    sandbox.run("nft", ["flush", "chain", "bridge", "nat", "cni-br-iface-a.b-eth0-mac"]);
    assertStringIncludes(pluginError(sandbox, check).msg, "filter of forged MAC addresses");
    plugin(sandbox, { command: "DEL", config, netns, containerId: "a.b" });
    assert(!sandbox.ruleset().includes("a.b"));
  },
  { needs },
);

for (const present of [false, true]) {
  kernelTest(
    `bridge: macspoofchk learns no forged address from reserved groups, on a bridge ${
      present ? "that was there" : "of its own"
    }`,
    (sandbox) => {
      if (present) sandbox.run("ip", ["link", "add", "br0", "type", "bridge"]);
      const before = present ? mac(sandbox, "br0") : undefined;
      const netns = sandbox.container();
      const config = { ...dual(), macspoofchk: true };
      plugin(sandbox, { command: "ADD", config, netns });
      const forged = [0x02, 0, 0, 0, 0, 0x99];
      for (let last = 0; last < 16; last++) {
        const group = [0x01, 0x80, 0xc2, 0, 0, last];
        const frame = new Uint8Array(60);
        frame.set([...group, ...forged, 0x88, 0xb5]);
        sendFrame(frame, "eth0", netns);
      }
      assert(ping(netns, "10.9.0.1")); // behind the frames, by the same port
      const learnt = sandbox.run("bridge", ["fdb", "show", "br", "br0", "dynamic"]);
      assert(!learnt.includes("02:00:00:00:00:99"), learnt);
      if (before) assertEquals(mac(sandbox, "br0"), before);
      plugin(sandbox, { command: "DEL", config, netns });
      const { linkinfo } = sandbox.ip("-d link show dev br0")[0];
      assertEquals(linkinfo.info_data.no_linklocal_learn, 1, "of use to the others");
    },
    { needs: [...needs, "bridge"] },
  );
}

kernelTest("bridge: a gateway of 0.0.0.0 or :: is none", (sandbox) => {
  const ipam = {
    type: "static",
    addresses: [
      { address: "10.9.0.5/24", gateway: "0.0.0.0" },
      { address: "fd00:9::5/64", gateway: "::" },
    ],
  };
  const layer2 = sandbox.container();
  const { ips } = plugin(sandbox, { command: "ADD", config: { ...base, ipam }, netns: layer2 });
  assertEquals(ips.map(({ gateway }: Any) => gateway), [undefined, undefined]);
  assertEquals(sandbox.ip("route show default", layer2), []);
  plugin(sandbox, { command: "DEL", config: { ...base, ipam }, netns: layer2 });

  const netns = sandbox.container();
  const result = plugin(sandbox, {
    command: "ADD",
    config: { ...base, ipam, isGateway: true },
    netns,
  });
  assertEquals(result.ips.map(({ gateway }: Any) => gateway), ["10.9.0.1", "fd00:9::1"]);
  assertEquals(addresses(sandbox, "br0"), ["10.9.0.1/24", "fd00:9::1/64"]);
});

kernelTest("bridge: a bridge that was there keeps its MAC address", (sandbox) => {
  const own = "02:00:00:00:00:07";
  sandbox.run("ip", ["link", "add", "br0", "address", own, "type", "bridge"]);
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config: dual(), netns });
  assertEquals([mac(sandbox, "br0"), result.interfaces[0].mac], [own, own]);
  assert(ping(netns, "10.9.0.1"));
  plugin(sandbox, { command: "DEL", config: dual(), netns });
  assertEquals(mac(sandbox, "br0"), own);
});

kernelTest("bridge: macspoofchk puts up with what a lost container left", (sandbox) => {
  const config = { ...base, macspoofchk: true };
  const add = () => {
    const netns = sandbox.container();
    const { interfaces } = plugin(sandbox, { command: "ADD", config, netns });
    return interfaces[1].name;
  };
  sandbox.run("ip", ["link", "del", add()]);
  const veth = add();
  const rules = sandbox.ruleset();
  assertEquals(rules.match(/iifname/g)?.length, 1);
  assertStringIncludes(rules, `iifname "${veth}" jump cni-br-iface-test-eth0`);
}, { needs });

kernelTest("bridge: macspoofchk refuses names that nftables cannot have", (sandbox) => {
  const config = { ...base, macspoofchk: true };
  const wrong = [{ ifName: 'a"b;c' }, { containerId: "c".repeat(120) }];
  for (const names of wrong) {
    const call = { command: "ADD", config, netns: sandbox.container(), ...names } as const;
    assertStringIncludes(pluginError(sandbox, call).msg, "nftables");
    assertEquals(sandbox.links(), []);
  }
}, { needs });

kernelTest(
  "bridge: two ADDs of one container to one network keep their filters apart",
  (sandbox) => {
    const netns = sandbox.container();
    const config = { ...base, macspoofchk: true };
    for (const ifName of ["eth0", "eth1"]) {
      plugin(sandbox, {
        command: "ADD",
        config,
        netns,
        ifName,
      });
    }
    plugin(sandbox, { command: "DEL", config, netns, ifName: "eth0" });
    const rules = sandbox.ruleset();
    assertEquals([rules.includes("test-eth0"), rules.includes("test-eth1")], [false, true]);
  },
  { needs },
);

for (const ipMasqBackend of ["nftables", "iptables", undefined]) {
  kernelTest(`bridge: ipMasq by ${ipMasqBackend ?? "default"} hides the container`, (sandbox) => {
    const [netns, outside] = [sandbox.container("inside"), sandbox.container("outside")];
    const config = { ...dual(), ipMasq: true, ...(ipMasqBackend ? { ipMasqBackend } : {}) };
    const result = plugin(sandbox, { command: "ADD", config, netns });
    // A host that knows no way back to the container's network.
    const link = ["link", "add", "up0", "type", "veth", "peer", "out0", "netns", "outside"];
    sandbox.run("ip", link);
    for (const [device, host, ns] of [["up0", 1, undefined], ["out0", 2, outside]] as const) {
      for (const address of [`192.0.2.${host}/24`, `2001:db8::${host}/64`]) {
        const nodad = address.includes(":") ? ["nodad"] : [];
        sandbox.run("ip", ["address", "add", address, "dev", device, ...nodad], { netns: ns });
      }
      sandbox.run("ip", ["link", "set", device, "up"], { netns: ns });
    }
    for (const target of ["192.0.2.2", "2001:db8::2"]) assert(ping(netns, target), target);

    const check = { command: "CHECK", config: { ...config, prevResult: result }, netns } as const;
    plugin(sandbox, check);
    const rules = () => sandbox.ruleset();
    assertMatch(rules(), /masquerade/i);
    // The namespace may be gone by the time of DEL.
    plugin(sandbox, { command: "DEL", config, netns: "" });
    assertEquals(/net: brn|CNI-52844e/.test(rules()), false);
    const prevResult = plugin(sandbox, { command: "ADD", config, netns });
    sandbox.run("nft", ["flush", "ruleset"]);
    const flushed = pluginError(sandbox, { ...check, config: { ...config, prevResult } });
    assertStringIncludes(flushed.msg, "not masqueraded");
  }, { needs: ["nft", "iptables"] });
}

kernelTest("bridge: a failing ADD leaves nothing", (sandbox) => {
  const none = [[], [], ""];
  const ipam = dual().ipam;
  const failures: [Record<string, unknown>, string][] = [
    [{ hairpinMode: true, promiscMode: true }, "cannot set hairpin mode and promiscuous mode"],
    [{ ipam, disableContainerInterface: true }, "cannot use IPAM when DisableContainerInterface"],
    [{ bridge: "a/b" }, '"bridge"'],
    [{ bridge: "" }, '"bridge"'],
    [{ bridge: "br%d" }, '"bridge"'],
    [{ bridge: "sixteen-chars-br" }, '"bridge"'],
    [{ bridge: "fifteen-chars-b", vlan: 5, isGateway: true, ipam }, "fifteen-chars-b.5"],
    [{ vlan: 4095 }, '"vlan" is 4095'],
    [{ vlan: -1 }, '"vlan" is -1'],
    [{ mtu: "1500" }, '"mtu" is "1500"'],
    [{ portIsolation: "true" }, '"portIsolation" is "true"'],
    [{ ipMasqBackend: "ebtables" }, '"ebtables"'],
    [{ ipam: { type: "none" } }, "none"],
    [{ ipam: { type: "static", addresses: [] } }, "IPAM"],
    [{ ipam: { ...ipam, routes: [{ dst: "10.99.0.0/16", gw: "192.0.2.1" }] } }, "192.0.2.1"],
    [{ mtu: 1000, ipam }, "eth0 has an MTU of 1000, but IPv6"],
    [{ ...dual(), forceAddress: true, macspoofchk: true, ipam: twoFamilies() }, "10.99.0.0/16"],
  ];
  for (const [more, words] of failures) {
    const netns = sandbox.container();
    const error = pluginError(sandbox, { command: "ADD", config: { ...base, ...more }, netns });
    assertStringIncludes(error.msg, words);
    const left = [sandbox.links(), sandbox.links(netns), sandbox.ruleset().replace(SKELETON, "")];
    assertEquals(left, none, words);
  }
  const gone = { command: "ADD", config: dual(), netns: "/run/netns/gone" } as const;
  assertEquals([pluginError(sandbox, gone).code, sandbox.links()], [8, []]);
}, { needs });

kernelTest("bridge: what others use is not taken back by a failing ADD", (sandbox) => {
  const [a, b] = [sandbox.container(), sandbox.container()];
  plugin(sandbox, { command: "ADD", config: dual(5), netns: a, containerId: "a" });
  const ipam = { ...dual(6).ipam, routes: [{ dst: "10.99.0.0/16", gw: "192.0.2.1" }] };
  const config = { ...dual(6), ipam };
  pluginError(sandbox, { command: "ADD", config, netns: b, containerId: "b" });
  assertEquals(addresses(sandbox, "br0"), ["10.9.0.1/24", "fd00:9::1/64"]);
  assertEquals([sandbox.links().length, sandbox.links(b)], [2, []]);
  assert(ping(a, "10.9.0.1"));
});

kernelTest(
  "bridge: a bridge that others came to is not removed by the ADD that made it",
  (sandbox) => {
    const bin = "/run/test/others";
    Deno.mkdirSync(bin);
    // An IPAM plugin during whose work somebody else attaches, and which fails.
    Deno.writeTextFileSync(
      `${bin}/others`,
      `#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
ip link add other0 type veth peer other1 && ip link set other0 master br0
echo '{"code": 100, "msg": "no address"}'; exit 1
`,
      { mode: 0o755 },
    );
    const netns = sandbox.container();
    const error = pluginError(sandbox, {
      command: "ADD",
      config: { ...base, promiscMode: true, ipam: { type: "others" } },
      netns,
      env: { CNI_PATH: bin },
    });
    assertEquals([error.code, sandbox.links(netns)], [100, []]);
    assertEquals(sandbox.links().sort(), ["br0", "other0", "other1"]);
    assert(sandbox.ip("link show dev br0")[0].flags.includes("PROMISC"), "for them as well");
  },
);

kernelTest("bridge: a bridge that was there gets back what a failing ADD changed", (sandbox) => {
  sandbox.run("ip", ["link", "add", "br0", "address", "02:00:00:00:00:99", "type", "bridge"]);
  for (const address of ["10.5.0.1/24", "10.5.0.9/24"]) {
    sandbox.run("ip", ["address", "add", address, "dev", "br0"]);
  }
  const config = {
    ...single(),
    isGateway: true,
    forceAddress: true,
    promiscMode: true,
    ipMasq: true,
    ipMasqBackend: "iptables",
  };
  // Masquerading comes after the addresses, and fails.
  const env = { PATH: "/nowhere" };
  const netns = sandbox.container();
  pluginError(sandbox, { command: "ADD", config, netns, env });
  assertEquals(
    [addresses(sandbox, "br0"), mac(sandbox, "br0"), sandbox.links()],
    [["10.5.0.1/24", "10.5.0.9/24"], "02:00:00:00:00:99", ["br0"]],
  );
  assertEquals(sandbox.links(netns), []);

  // With a port of somebody's they get their address back too, and the mode that was.
  sandbox.run("ip", ["link", "add", "up0", "type", "veth", "peer", "up1"]);
  sandbox.run("ip", ["link", "set", "up0", "master", "br0"]);
  pluginError(sandbox, { command: "ADD", config, netns, env });
  assertEquals(addresses(sandbox, "br0").slice(-2), ["10.5.0.1/24", "10.5.0.9/24"]);
  const { flags } = sandbox.ip("link show dev br0")[0];
  assertEquals(["UP", "PROMISC"].map((flag) => flags.includes(flag)), [false, false]);
});

kernelTest(
  "bridge: told to end while iptables masquerades, ADD takes that back",
  async (sandbox) => {
    const netns = sandbox.container();
    const config = { ...dual(), ipMasq: true, ipMasqBackend: "iptables" };
    await interruptedAdd({ config, netns }, ["iptables-restore", "ip6tables-restore"]);
    assertEquals(sandbox.links(netns), []);
    for (const save of ["iptables-save", "ip6tables-save"]) {
      assert(!sandbox.run(save, ["-t", "nat"]).includes("brn"));
    }
  },
  { needs: ["iptables"] },
);

kernelTest(
  "bridge: an interface name that is taken is refused, and what has it stays",
  (sandbox) => {
    const netns = sandbox.container();
    sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
    const error = pluginError(sandbox, { command: "ADD", config: dual(), netns });
    assertStringIncludes(error.msg, "eth0 already exists");
    plugin(sandbox, { command: "DEL", config: dual(), netns }); // as follows every failed ADD
    assertEquals(sandbox.ip("-d link show dev eth0", netns)[0].linkinfo.info_kind, "bridge");
    assertEquals(sandbox.links(), []);
  },
);

kernelTest("bridge: a second ADD is refused, and takes nothing from the first", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...dual(), macspoofchk: true, ipMasq: true };
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  assertStringIncludes(pluginError(sandbox, { command: "ADD", config, netns }).msg, "eth0 already");
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult }, netns });
}, { needs });

kernelTest("bridge: DEL succeeds again, and without anything", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...dual(), macspoofchk: true, ipMasq: true };
  plugin(sandbox, { command: "ADD", config, netns });
  for (const gone of [netns, netns, "", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", config, netns: gone });
    assertEquals([sandbox.links(), sandbox.links(netns)], [["br0"], []]);
  }
  sandbox.run("ip", ["link", "del", "br0"]);
  plugin(sandbox, { command: "DEL", config, netns });
}, { needs });

kernelTest("bridge: DEL removes the filter although the namespace is gone", (sandbox) => {
  const config = { ...base, macspoofchk: true };
  plugin(sandbox, { command: "ADD", config, netns: sandbox.container() });
  plugin(sandbox, { command: "DEL", config, netns: "" });
  assert(!sandbox.ruleset().includes("macspoofchk"));
}, { needs });

kernelTest("bridge: CHECK sees what is not as ADD left it", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...dual(), hairpinMode: true, portIsolation: true };
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  const veth = prevResult.interfaces[1].name;
  const check = (more = {}) =>
    ({ command: "CHECK", config: { ...config, prevResult, ...more }, netns }) as const;
  plugin(sandbox, check());
  assertStringIncludes(pluginError(sandbox, { ...check(), config }).msg, "prevResult missing");
  const moved = structuredClone(prevResult);
  moved.interfaces[2].sandbox = "/run/netns/other";
  const elsewhere = pluginError(sandbox, check({ prevResult: moved }));
  assertStringIncludes(elsewhere.msg, "doesn't match configured netns");

  const outside = (args: string) => sandbox.run("ip", args.split(" "));
  const inside = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  const damages: [damage: () => void, words: string, repair: () => void][] = [
    [
      () => outside("link set br0 promisc on"),
      "Promisc",
      () => outside("link set br0 promisc off"),
    ],
    [() => outside("link set br0 down"), "br0 is down", () => outside("link set br0 up")],
    [
      () => outside("address del 10.9.0.1/24 dev br0"),
      "br0 has lost the gateway's address 10.9.0.1/24",
      () => outside("address add 10.9.0.1/24 dev br0"),
    ],
    [
      () => outside("link set br0 address 02:00:00:00:00:01"),
      "br0 has MAC 02:00:00:00:00:01",
      () => outside("link set br0 address 0a:58:0a:09:00:01"),
    ],
    [
      () => outside(`link set ${veth} type bridge_slave hairpin off`),
      "should have hairpin on",
      () => outside(`link set ${veth} type bridge_slave hairpin on`),
    ],
    [
      () => outside(`link set ${veth} type bridge_slave isolated off`),
      "should have isolated on",
      () => outside(`link set ${veth} type bridge_slave isolated on`),
    ],
    [
      () => outside(`link set ${veth} nomaster`),
      "is not attached to bridge br0",
      () => {
        outside(`link set ${veth} master br0`);
        outside(`link set ${veth} type bridge_slave hairpin on isolated on`);
      },
    ],
    [
      () => outside(`link set ${veth} down`),
      `${veth} is down`,
      () => outside(`link set ${veth} up`),
    ],
    [() => inside("route del default"), "Expected Route 0.0.0.0/0", () => {
      inside("route add default via 10.9.0.1");
    }],
    [() => inside("link set eth0 address 02:00:00:00:00:01"), "eth0 has MAC", () => {
      inside("link set eth0 address 0a:58:0a:09:00:05");
    }],
    [
      () => inside("address add 10.9.0.5/16 dev eth0"),
      "",
      () => inside("address del 10.9.0.5/16 dev eth0"),
    ],
    [() => outside("link del br0"), "bridge br0 was not found", () => {}],
    [
      () => inside("address del 10.9.0.5/24 dev eth0"),
      "Failed to match addr 10.9.0.5/24",
      () => {},
    ],
    [() => inside("link set eth0 down"), "eth0 is down", () => {}],
    [() => inside("link del eth0"), "", () => {}],
  ];
  for (const [damage, words, repair] of damages) {
    damage();
    if (words) assertStringIncludes(pluginError(sandbox, check()).msg, words);
    repair();
  }
});

kernelTest("bridge: CHECK bears addresses and routes of plugins that come behind", (sandbox) => {
  const netns = sandbox.container();
  const config = { ...dual(), ipMasq: true };
  const result = plugin(sandbox, { command: "ADD", config, netns });
  sandbox.run("ip", ["address", "add", "192.0.2.5/24", "dev", "eth0"], { netns });
  const ips = [
    ...result.ips,
    { address: "192.0.2.5/24", gateway: "192.0.2.1", interface: 2 },
    { address: "192.0.2.5/24", interface: 2 },
  ];
  const check = {
    command: "CHECK",
    config: { ...config, prevResult: { ...result, ips } },
    netns,
  } as const;
  plugin(sandbox, check);
  // As sbr does: the routes of an address are in a table of its own.
  for (
    const [family, source, gateway] of [
      ["-4", "10.9.0.5", "10.9.0.1"],
      ["-6", "fd00:9::5", "fd00:9::1"],
    ] as const
  ) {
    const ip = (args: string) => sandbox.run("ip", [family, ...args.split(" ")], { netns });
    ip("route del default");
    const error = pluginError(sandbox, check);
    assertStringIncludes(error.msg, "not found in routing table main");
    ip(`rule add from ${source} table 100`);
    ip(`route add default via ${gateway} dev eth0 table 100`);
  }
  plugin(sandbox, check);
  sandbox.run("ip", ["address", "del", "10.9.0.1/24", "dev", "br0"]);
  assertStringIncludes(pluginError(sandbox, check).msg, "lost the gateway's address 10.9.0.1/24");
});

kernelTest("bridge: GC removes ports and filters of attachments that are not valid", (sandbox) => {
  const config = { ...base, macspoofchk: true };
  const containers = ["a", "b"].map((containerId) => {
    const netns = sandbox.container();
    plugin(sandbox, { command: "ADD", config, netns, containerId });
    return netns;
  });
  // Another network on the same bridge is none of this one's business.
  const other = sandbox.container();
  plugin(sandbox, {
    command: "ADD",
    config: { ...config, name: "other" },
    netns: other,
    containerId: "c",
  });
  const gc = (containerIDs: string[]) =>
    plugin(sandbox, {
      command: "GC",
      config: {
        ...config,
        "cni.dev/valid-attachments": containerIDs.map((containerID) => ({
          containerID,
          ifname: "eth0",
        })),
      },
    });
  const state = () => [
    ...containers.map((netns) => sandbox.links(netns).length),
    sandbox.links(other).length,
    ...["a", "b", "c"].map((id) => Number(sandbox.ruleset().includes(`cni-br-iface-${id}-eth0`))),
  ];
  gc(["a", "b"]);
  assertEquals(state(), [1, 1, 1, 1, 1, 1]);
  gc(["a"]);
  assertEquals(state(), [1, 0, 1, 1, 0, 1]);
  gc([]);
  assertEquals(state(), [0, 0, 1, 0, 0, 1]);
}, { needs });

kernelTest("bridge: GC and STATUS ask IPAM", (sandbox) => {
  const ipam = { type: "host-local", subnet: "10.9.0.0/24" };
  const config = { ...base, ipam };
  const netns = sandbox.container();
  const { ips } = plugin(sandbox, { command: "ADD", config, netns });
  assertEquals(ips, [{ address: "10.9.0.2/24", gateway: "10.9.0.1", interface: 2 }]);
  plugin(sandbox, { command: "STATUS", config });
  const small = { ...ipam, rangeStart: "10.9.0.2", rangeEnd: "10.9.0.2" };
  plugin(sandbox, { command: "STATUS", config: { ...base, ipam: small } }); // full, but able
  const unknown = { ...base, ipam: { type: "none" } };
  assertEquals(pluginError(sandbox, { command: "STATUS", config: unknown }).code, 50);
  plugin(sandbox, { command: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
  const reserved = Array.from(Deno.readDirSync("/var/lib/cni/networks/brn"), ({ name }) => name);
  assert(!reserved.includes("10.9.0.2"));
});

kernelTest(
  "bridge: STATUS says that iptables is missing; nothing else needs a program",
  (sandbox) => {
    const without = { PATH: "/nowhere" };
    const options = [
      { macspoofchk: true },
      { ipMasq: true },
      { ipMasq: true, ipMasqBackend: "nftables" },
      { ipMasq: true, ipMasqBackend: "iptables" },
    ];
    for (const more of options) {
      const call = { command: "STATUS", config: { ...base, ...more } } as const;
      plugin(sandbox, call);
      if (more.ipMasqBackend !== "iptables") {
        plugin(sandbox, { ...call, env: without });
        assertEquals(sandbox.ruleset(), "");
        continue;
      }
      const error = pluginError(sandbox, { ...call, env: without });
      assertEquals(error.code, 50);
      assertStringIncludes(error.msg, "not installed");
    }
  },
  { needs: ["nft", "iptables"] },
);

kernelTest("bridge: ADDs at the same time make one bridge and one gateway", (sandbox) => {
  const numbers = [2, 3, 4, 5, 6, 7];
  const script = numbers.map((last) => {
    const { path } = sandbox.container(`n${last}`);
    Deno.writeTextFileSync(`/run/test/config${last}`, JSON.stringify(dual(last)));
    return `CNI_COMMAND=ADD CNI_CONTAINERID=n${last} CNI_NETNS=${path} CNI_IFNAME=eth0 ` +
      `CNI_PATH=${pluginDirectory()} ${pluginDirectory()}/bridge </run/test/config${last} ` +
      `>/run/test/out${last} &\n`;
  });
  sandbox.run("/bin/sh", ["-c", script.join("") + "wait"]);
  for (const last of numbers) {
    const result = JSON.parse(Deno.readTextFileSync(`/run/test/out${last}`));
    assertEquals(result.interfaces?.[0], { name: "br0", mac: "0a:58:0a:09:00:01" });
  }
  assertEquals(addresses(sandbox, "br0"), ["10.9.0.1/24", "fd00:9::1/64"]);
  assertEquals(sandbox.links().length, 1 + numbers.length);
});

kernelTest("bridge: mistakes in vlanTrunk are named before anything is made", (sandbox) => {
  const netns = sandbox.container();
  const cases: [unknown, string][] = [
    [[{ id: 0 }], '"vlanTrunk[0].id" is 0'],
    [[{ id: 5 }, { minID: 0, maxID: 9 }], '"vlanTrunk[1].minID" is 0'],
    [[{ minID: 1, maxID: 4095 }], '"vlanTrunk[0].maxID" is 4095'],
    [[{ minID: 9, maxID: 5 }], "minID is greater than maxID"],
    [[{ maxID: 5 }], "minID is missing"],
    [[{ minID: 5 }], "maxID is missing"],
    [{ id: 5 }, '"vlanTrunk"'],
  ];
  for (const [vlanTrunk, words] of cases) {
    const call = { command: "ADD", config: { ...base, vlanTrunk }, netns } as const;
    const error = pluginError(sandbox, call);
    assertStringIncludes(error.msg, words);
    assertEquals([error.code, sandbox.links()], [7, []]);
  }
});

/** What stays in nftables for the next container. */
const SKELETON =
  /table bridge nat \{\s*chain PREROUTING \{\s*type filter hook prerouting priority dstnat; policy accept;\s*\}\s*\}\s*/;

/** Addresses that can be given, and a route that cannot. */
function twoFamilies() {
  return { ...dual().ipam, routes: [{ dst: "10.99.0.0/16", gw: "198.51.100.1" }] };
}
