import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ping } from "../../scripts/support/ping.ts";
import { interruptedAdd } from "../support/interrupted_add.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const needs = ["nft"];

const ipam = {
  type: "host-local",
  ranges: [[{ subnet: "10.8.0.0/24" }], [{ subnet: "fd00:8::/64" }]],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
};
const config = { cniVersion: "1.1.0", name: "p2p", type: "ptp", mtu: 1400, ipam };

// deno-lint-ignore no-explicit-any -- results are asserted on in parts
function check(sandbox: Sandbox, prevResult: any, call: { netns: any; containerId?: string }) {
  plugin(sandbox, { command: "CHECK", config: { ...config, prevResult }, ...call });
}

kernelTest("ptp: ADD makes what it says, on both sides", (sandbox) => {
  const netns = sandbox.container();
  const result = plugin(sandbox, { command: "ADD", config, netns });
  const [host, inside] = result.interfaces;
  assertMatch(host.name, /^veth[0-9a-f]{11}$/);
  assertEquals(host, { name: host.name, mac: "0a:58:0a:08:00:01" });
  assertEquals(inside, { mac: "0a:58:0a:08:00:02", name: "eth0", sandbox: netns.path });
  assertEquals(result.ips, [
    { address: "10.8.0.2/24", gateway: "10.8.0.1", interface: 1 },
    { address: "fd00:8::2/64", gateway: "fd00:8::1", interface: 1 },
  ]);
  assertEquals(result.routes, ipam.routes);

  const [link] = sandbox.ip("-d link show dev eth0", netns);
  assertEquals([link.mtu, link.address, link.linkinfo.info_kind], [1400, inside.mac, "veth"]);
  const routes = (family: string) =>
    sandbox.ip(`${family} route show`, netns).map((r) => [r.dst, r.gateway, r.prefsrc, r.scope])
      .sort((a, b) => String(a[0]).localeCompare(b[0]));
  assertEquals(routes("-4"), [
    ["10.8.0.0/24", "10.8.0.1", "10.8.0.2", undefined],
    ["10.8.0.1", undefined, "10.8.0.2", "link"],
    ["default", "10.8.0.1", undefined, undefined],
  ]);
  assertEquals(routes("-6").filter(([dst]) => dst !== "fe80::/64"), [
    ["default", "fd00:8::1", undefined, undefined],
    ["fd00:8::/64", "fd00:8::1", "fd00:8::2", undefined],
    ["fd00:8::1", undefined, "fd00:8::2", undefined],
  ]);
  const hostAddresses = sandbox.ip(`address show dev ${host.name}`)[0].addr_info
    .filter(({ scope }: { scope: string }) => scope === "global")
    .map((a: { local: string; prefixlen: number }) => `${a.local}/${a.prefixlen}`);
  assertEquals(hostAddresses, ["10.8.0.1/32", "fd00:8::1/128"]);
  assertEquals(sandbox.ip(`-4 route show dev ${host.name}`)[0].dst, "10.8.0.2");
  assertEquals(Deno.readTextFileSync("/proc/sys/net/ipv4/ip_forward").trim(), "1");
  check(sandbox, result, { netns });
});

kernelTest("ptp: two containers of one subnet reach each other and the gateway", (sandbox) => {
  const [a, b] = [sandbox.container(), sandbox.container()];
  plugin(sandbox, { command: "ADD", config, netns: a, containerId: "a" });
  plugin(sandbox, { command: "ADD", config, netns: b, containerId: "b" });
  for (const target of ["10.8.0.1", "10.8.0.3", "fd00:8::1", "fd00:8::3"]) {
    assert(ping(a, target) !== undefined, target);
  }
});

kernelTest("ptp: IPv4 addresses make the MAC addresses, whatever comes first", (sandbox) => {
  const reversed = { ...config, ipam: { ...ipam, ranges: ipam.ranges.toReversed() } };
  const netns = sandbox.container();
  const { interfaces } = plugin(sandbox, { command: "ADD", config: reversed, netns });
  assertEquals(interfaces.map(({ mac }: { mac: string }) => mac), [
    "0a:58:0a:08:00:01",
    "0a:58:0a:08:00:02",
  ]);
});

kernelTest("ptp: routes may have gateways of their own in the subnet", (sandbox) => {
  const netns = sandbox.container();
  const given = [
    { dst: "198.51.100.0/24", gw: "10.8.0.7" },
    { dst: "2001:db8::/32", gw: "fd00:8::7" },
    { dst: "10.8.0.0/24", priority: 7 },
  ];
  const call = { config: { ...config, ipam: { ...ipam, routes: given } }, netns };
  const prevResult = plugin(sandbox, { command: "ADD", ...call });
  check(sandbox, prevResult, { netns });
  const routes = ["-4", "-6"].flatMap((family) => sandbox.ip(`${family} route show`, netns))
    .map(({ dst, gateway, metric }) => `${dst} via ${gateway} ${metric ?? ""}`);
  for (const { dst, gw = "10.8.0.1" } of given) {
    assert(routes.some((route) => route.startsWith(`${dst} via ${gw} `)), `${routes}`);
  }
  assert(routes.includes("10.8.0.0/24 via 10.8.0.1 "), `${routes}`);
  assert(
    !routes.some((route) => /^(10\.8\.0\.0|fd00:8::)\/\d+ via undefined/.test(route)),
    `${routes}`,
  );
});

kernelTest("ptp: /32 and /128 addresses work", (sandbox) => {
  const [a, b] = [sandbox.container(), sandbox.container()];
  const add = (netns: typeof a, containerId: string, last: number) =>
    plugin(sandbox, {
      command: "ADD",
      config: {
        ...config,
        ipam: {
          type: "static",
          addresses: [
            { address: `10.8.0.${last}/32`, gateway: "10.8.0.1" },
            { address: `fd00:8::${last}/128`, gateway: "fd00:8::1" },
          ],
          routes: ipam.routes,
        },
      },
      netns,
      containerId,
    });
  const result = add(a, "a", 2);
  add(b, "b", 3);
  for (const target of ["10.8.0.1", "10.8.0.3", "fd00:8::3"]) {
    assert(ping(a, target) !== undefined, target);
  }
  plugin(sandbox, {
    command: "CHECK",
    config: { ...config, ipam: { type: "static" }, prevResult: result },
    netns: a,
    containerId: "a",
  });
});

kernelTest("ptp: DEL removes everything, and again, and without anything", (sandbox) => {
  const netns = sandbox.container();
  const masqueraded = { ...config, ipMasq: true, ipMasqBackend: "nftables" };
  plugin(sandbox, { command: "ADD", config: masqueraded, netns });
  plugin(sandbox, { command: "DEL", config: masqueraded, netns });
  assertEquals([sandbox.links(), sandbox.links(netns)], [[], []]);
  assertEquals(reservations(), []);
  assert(!sandbox.ruleset().includes("net: p2p"));
  for (const gone of [netns, "", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", config: masqueraded, netns: gone });
  }
}, { needs });

kernelTest(
  "ptp: DEL without the namespace still removes masquerading and reservation",
  (sandbox) => {
    const netns = sandbox.container("gone");
    const masqueraded = { ...config, ipMasq: true, ipMasqBackend: "nftables" };
    plugin(sandbox, { command: "ADD", config: masqueraded, netns });
    assertStringIncludes(sandbox.ruleset(), "net: p2p");
    plugin(sandbox, { command: "DEL", config: masqueraded, netns: "" });
    assert(!sandbox.ruleset().includes("net: p2p"));
    assertEquals(reservations(), []);
  },
  { needs },
);

kernelTest("ptp: told to end while iptables masquerades, ADD takes that back", async (sandbox) => {
  const netns = sandbox.container();
  const masqueraded = { ...config, ipMasq: true, ipMasqBackend: "iptables" };
  const programs = ["iptables-restore", "ip6tables-restore"];
  await interruptedAdd({ config: masqueraded, netns }, programs);
  assertEquals([sandbox.links(), sandbox.links(netns), reservations()], [[], [], []]);
  for (const save of ["iptables-save", "ip6tables-save"]) {
    assert(!sandbox.run(save, ["-t", "nat"]).includes("p2p"));
  }
}, { needs: ["iptables"] });

kernelTest("ptp: GC removes what is of attachments that are not valid", (sandbox) => {
  const containers = ["a", "b"].map((containerId) => {
    const netns = sandbox.container();
    plugin(sandbox, { command: "ADD", config, netns, containerId });
    return netns;
  });
  const gc = (valid: string[]) =>
    plugin(sandbox, {
      command: "GC",
      config: {
        ...config,
        "cni.dev/valid-attachments": valid.map((containerID) => ({ containerID, ifname: "eth0" })),
      },
    });
  const state = () => [...containers, undefined].map((netns) => sandbox.links(netns).length);
  gc(["a", "b"]);
  assertEquals([state(), reservations().length], [[1, 1, 2], 4]);
  gc(["b"]);
  assertEquals([state(), reservations().length], [[0, 1, 1], 2]);
  assertEquals(sandbox.ip("-4 route show 10.8.0.2"), []);
});

kernelTest("ptp: STATUS wants an IPAM plugin, and what the backend needs", (sandbox) => {
  const status = (ipMasqBackend: string) =>
    ({ command: "STATUS", config: { ...config, ipMasq: true, ipMasqBackend } }) as const;
  const noPrograms = { env: { PATH: "/run/test" } };
  plugin(sandbox, { ...status("nftables"), ...noPrograms });
  const error = pluginError(sandbox, { ...status("iptables"), ...noPrograms });
  assertEquals(error.code, 50);
  assertStringIncludes(error.msg, "iptables is not installed");
  const noIpam = { ...config, ipam: { type: "none" } };
  assertEquals(pluginError(sandbox, { command: "STATUS", config: noIpam }).code, 50);
  const unnamed = { ...config, ipam: {} }; // as ADD says, too
  assertEquals(pluginError(sandbox, { command: "STATUS", config: unnamed }).code, 7);
}, { needs });

kernelTest("ptp: CHECK sees what is missing", (sandbox) => {
  const netns = sandbox.container();
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  const fails = (words: string) => {
    const error = pluginError(sandbox, {
      command: "CHECK",
      config: { ...config, prevResult },
      netns,
    });
    assertStringIncludes(error.msg, words);
  };
  const veth: string = prevResult.interfaces[0].name;
  const outside = (args: string) => sandbox.run("ip", args.split(" "));
  const inside = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  outside(`route del 10.8.0.2 dev ${veth}`);
  fails(`host has no route to 10.8.0.2 through ${veth}`);
  outside("route add 10.8.0.2 dev lo scope host");
  fails(`host has no route to 10.8.0.2 through ${veth}`);
  outside(`route replace 10.8.0.2 dev ${veth} scope host`);
  check(sandbox, prevResult, { netns });
  outside(`address del fd00:8::1/128 dev ${veth}`);
  fails(`fd00:8::1/128 on interface ${veth}`);
  outside(`address add fd00:8::1/128 dev ${veth}`);
  outside(`link set ${veth} down`);
  fails(`${veth} is down`);
  outside(`link set ${veth} up`);
  inside("link set eth0 down");
  fails("eth0 is down");
  inside("link set eth0 up");
  fails("Expected Route 0.0.0.0/0");
  sandbox.run("ip", ["address", "del", "10.8.0.2/24", "dev", "eth0"], { netns });
  fails("10.8.0.2/24");
  sandbox.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:01"], { netns });
  fails("MAC");
  sandbox.run("ip", ["link", "del", "eth0"], { netns });
  fails("eth0");
});

kernelTest("ptp: a failing ADD leaves nothing behind", (sandbox) => {
  const netns = sandbox.container();
  const failures: [Record<string, unknown>, string][] = [
    [{ ...config, ipam: {} }, "no plugin name provided"],
    [{ ...config, ipam: { type: "none" } }, "failed to find plugin"],
    [
      { ...config, ipam: { type: "static", addresses: [{ address: "10.8.0.9/24" }] } },
      "no gateway",
    ],
    ...["10.8.0.9", "fd00:8::1"].map((gateway): [Record<string, unknown>, string] => [
      { ...config, ipam: { type: "static", addresses: [{ address: "10.8.0.9/24", gateway }] } },
      `cannot route 10.8.0.9/24: the IPAM plugin gave the gateway ${gateway}`,
    ]),
    [{ ...config, mtu: 1000 }, "eth0 has an MTU of 1000, but IPv6 needs 1280"],
    [{ ...config, ipMasqBackend: "ebtables", ipMasq: true }, "ipMasqBackend"],
    [{ ...config, mtu: -1 }, "mtu"],
    [
      { ...config, ipam: { ...ipam, routes: [{ dst: "10.99.0.0/16", gw: "192.0.2.1" }] } },
      "192.0.2.1",
    ],
  ];
  for (const [wrong, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: wrong, netns });
    assertStringIncludes(error.msg, words);
    assertEquals([sandbox.links(), sandbox.links(netns), reservations()], [[], [], []], words);
  }
});

kernelTest("ptp: an interface name that is taken is refused, and what has it stays", (sandbox) => {
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "eth0", "type", "bridge"], { netns });
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertStringIncludes(error.msg, "eth0 already exists");
  plugin(sandbox, { command: "DEL", config, netns }); // as follows every failed ADD
  assertEquals(sandbox.ip("-d link show dev eth0", netns)[0].linkinfo.info_kind, "bridge");
  assertEquals(reservations(), []);
});

kernelTest("ptp: a second ADD is refused, and takes nothing from the first", (sandbox) => {
  const netns = sandbox.container();
  const prevResult = plugin(sandbox, { command: "ADD", config, netns });
  const error = pluginError(sandbox, { command: "ADD", config, netns });
  assertStringIncludes(error.msg, "eth0 already exists");
  check(sandbox, prevResult, { netns });
  assertEquals(reservations().sort(), ["10.8.0.2", "fd00:8::2"]);
});

/** The addresses that host-local has given out. */
function reservations(): string[] {
  try {
    return Array.from(Deno.readDirSync("/var/lib/cni/networks/p2p"), ({ name }) => name)
      .filter((name) => /^[0-9a-f.:]+$/.test(name));
  } catch {
    return [];
  }
}
