import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Cidr } from "../../lib/ip/cidr.ts";
import { NetNs } from "../../lib/ns/netns.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { createVrf } from "../../plugins/meta/vrf/device.ts";
import { addressesAndRoutesOf, changeMaster } from "../../plugins/meta/vrf/membership.ts";
import { ping } from "../../scripts/support/ping.ts";
import { defaultRoutes } from "../support/network.ts";
import { plugin, pluginDirectory, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const needs = ["kernel:vrf"];

/** The result of a plugin that attached interface `eth<n>` to network `10.<n>.0.0/24`. */
function attached(n: number) {
  return {
    cniVersion: "1.1.0",
    interfaces: [{ name: `host${n}` }, { name: `eth${n}`, sandbox: "/var/run/netns/c1" }],
    ips: [{ address: `10.${n}.0.2/24`, gateway: `10.${n}.0.1`, interface: 1 }],
    dns: { nameservers: ["10.1.0.1"] },
  };
}
const config = (n: number, more = {}) => ({
  cniVersion: "1.1.0",
  name: `net${n}`,
  type: "vrf",
  vrfname: "blue",
  prevResult: attached(n),
  ...more,
});
type Config = ReturnType<typeof config>;

/**
 * A container with interfaces that have addresses, a default route, and routes as ptp makes them.
 */
function container(sandbox: Sandbox, count = 1): NetNs {
  const netns = sandbox.container();
  const ip = (args: string, netns?: NetNs) => sandbox.run("ip", args.split(" "), { netns });
  for (let n = 1; n <= count; n++) {
    ip(`link add host${n} type veth peer name eth${n} netns c1`);
    ip(`link set host${n} up`);
    ip(`link set eth${n} up`, netns);
    ip(`address add 10.${n}.0.1/24 dev host${n}`);
    ip(`address add fd00:${n}::1/64 dev host${n} nodad`);
    ip(`address add 10.${n}.0.2/24 dev eth${n}`, netns);
    ip(`address add fd00:${n}::2/64 dev eth${n} nodad`, netns);
    ip(`route add 10.99.${n}.1 dev eth${n} scope link src 10.${n}.0.2`, netns);
    ip(`route add default via 10.99.${n}.1 dev eth${n} metric ${n}`, netns);
    ip(`route add default via fd00:${n}::1 dev eth${n} src fd00:${n}::2 metric ${n}`, netns);
    ip(`route add 172.16.${n}.0/24 via 10.${n}.0.1 dev eth${n} mtu 1300`, netns);
  }
  return netns;
}

/** A table's unicast routes, as `default via 10.1.0.1 dev eth1`. */
function routes(sandbox: Sandbox, netns: NetNs, table: string | number): string[] {
  return ["-4", "-6"].flatMap((family) => {
    const { stdout } = sandbox.try("ip", [
      ...["-j", family, "route", "show", "table", `${table}`, "type", "unicast"],
    ], { netns });
    return stdout.trim() === "" ? [] : JSON.parse(stdout);
  }).filter(({ dst }) => dst && dst !== "fe80::/64")
    .map(({ dst, gateway, dev, prefsrc, metrics }) =>
      `${dst}${gateway ? ` via ${gateway}` : ""} dev ${dev}${prefsrc ? ` src ${prefsrc}` : ""}` +
      (metrics?.[0]?.mtu ? ` mtu ${metrics[0].mtu}` : "")
    ).sort();
}

const moved = (n: number) => [
  `10.${n}.0.0/24 dev eth${n} src 10.${n}.0.2`,
  `10.99.${n}.1 dev eth${n} src 10.${n}.0.2`,
  `172.16.${n}.0/24 via 10.${n}.0.1 dev eth${n} mtu 1300`,
  `default via 10.99.${n}.1 dev eth${n}`,
  `default via fd00:${n}::1 dev eth${n} src fd00:${n}::2`,
  `fd00:${n}::/64 dev eth${n}`,
];

function addresses(sandbox: Sandbox, netns: NetNs, dev: string): string[] {
  return sandbox.ip(`address show dev ${dev}`, netns)[0].addr_info
    .filter(({ scope, tentative }: Record<string, unknown>) => scope === "global" && !tentative)
    .map(({ local, prefixlen }: Record<string, unknown>) => `${local}/${prefixlen}`);
}

/** Each VRF's table and members. */
function vrfs(sandbox: Sandbox, netns: NetNs): Record<string, unknown> {
  const links = sandbox.ip("-d link show", netns);
  return Object.fromEntries(
    links.filter(({ linkinfo }) => linkinfo?.info_kind === "vrf").map((vrf) => [
      vrf.ifname,
      [
        vrf.linkinfo.info_data.table,
        vrf.flags.includes("UP"),
        ...links.filter(({ master }) => master === vrf.ifname).map(({ ifname }) => ifname).sort(),
      ],
    ]),
  );
}

kernelTest("vrf: ADD makes the VRF; addresses and routes move along", (sandbox) => {
  const netns = container(sandbox);
  using host = NetNs.current();
  assertEquals(routes(sandbox, netns, "main"), moved(1));
  const call = { config: config(1), netns, ifName: "eth1" };
  assertEquals(plugin(sandbox, { command: "ADD", ...call }), attached(1));
  assertEquals(vrfs(sandbox, netns), { blue: [1, true, "eth1"] });
  assertEquals(addresses(sandbox, netns, "eth1"), ["10.1.0.2/24", "fd00:1::2/64"]);
  assertEquals(routes(sandbox, netns, 1), moved(1));
  assertEquals(routes(sandbox, netns, "main"), []);
  for (const target of ["10.1.0.2", "fd00:1::2"]) assert(ping(host, target) !== undefined, target);
  plugin(sandbox, { command: "CHECK", ...call });

  plugin(sandbox, { command: "DEL", ...call });
  assertEquals([vrfs(sandbox, netns), sandbox.links(netns)], [{}, ["eth1"]]);
  plugin(sandbox, { command: "DEL", ...call });
}, { needs });

kernelTest("vrf: addresses that the kernel keeps are usable at once too", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("ip", "address add fd00:5::2/64 dev eth1 nodad".split(" "), { netns });
  netns.run(() => {
    Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/eth1/keep_addr_on_down", "1");
  });
  plugin(sandbox, { command: "ADD", config: config(1), netns, ifName: "eth1" });
  assertEquals(addresses(sandbox, netns, "eth1").sort(), [
    "10.1.0.2/24",
    "fd00:1::2/64",
    "fd00:5::2/64",
  ]);
}, { needs });

/** Routes as ptp makes them: nothing but the gateway is on the link. */
function leaveOnlyGateway(sandbox: Sandbox, netns: NetNs): void {
  const ip = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  for (const [subnet, own] of [["10.1.0", "10.1.0.2"], ["fd00:1:", "fd00:1::2"]] as const) {
    const [network, gateway] = own.includes(":")
      ? [`${subnet}:/64`, `${subnet}:1`]
      : [`${subnet}.0/24`, `${subnet}.1`];
    ip(`route del ${network} dev eth1`);
    ip(`route add ${gateway} dev eth1 src ${own}`);
    ip(`route add ${network} via ${gateway} dev eth1 src ${own}`);
  }
}

kernelTest("vrf: what was removed of the subnets' routes does not come back", (sandbox) => {
  const netns = container(sandbox);
  leaveOnlyGateway(sandbox, netns);
  const before = routes(sandbox, netns, "main");
  const gateways = ["10.1.0.0/24 via 10.1.0.1", "fd00:1::/64 via fd00:1::1"];
  assertEquals(before.filter((route) => route.includes("/64") || route.includes("10.1.0.0")), [
    `${gateways[0]} dev eth1 src 10.1.0.2`,
    `${gateways[1]} dev eth1 src fd00:1::2`,
  ]);
  plugin(sandbox, { command: "ADD", config: config(1), netns, ifName: "eth1" });
  assertEquals(routes(sandbox, netns, 1), before);
}, { needs });

kernelTest("vrf: routes in other tables stay there, those in the VRF's own too", (sandbox) => {
  const netns = container(sandbox);
  const add = (route: string) => sandbox.run("ip", `route add ${route}`.split(" "), { netns });
  add("192.0.2.0/24 via 10.1.0.1 dev eth1 table 50");
  add("fd99::/64 via fd00:1::1 dev eth1 table 50");
  add("198.51.100.0/24 via 10.1.0.1 dev eth1 table 42");
  const others = routes(sandbox, netns, 50);
  assertEquals(others.length, 2);
  plugin(sandbox, { command: "ADD", config: config(1, { table: 42 }), netns, ifName: "eth1" });
  assertEquals(routes(sandbox, netns, 50), others);
  assertEquals(
    routes(sandbox, netns, 42),
    [...moved(1), "198.51.100.0/24 via 10.1.0.1 dev eth1"].sort(),
  );
}, { needs });

kernelTest("vrf: an address that is still looked for on the network is kept", async (sandbox) => {
  const netns = container(sandbox);
  using inside = Rtnl.open(netns);
  const vrf = createVrf(inside, { vrfname: "blue", table: 7 });
  const device = inside.link.get("eth1");
  inside.address.add(device, Cidr.parse("fd00:6::2/64"));
  const kept = addressesAndRoutesOf(inside, device);
  assertEquals(kept.addresses.map(({ unique }) => unique).sort(), [false, true]);
  await changeMaster(netns, inside, device, vrf, kept, { from: 254, to: 7 });
  const present = inside.address.list({ device, family: 6 }).map(({ address }) => `${address}`);
  assert(present.includes("fd00:6::2/64"), `${present}`);
}, { needs });

kernelTest("vrf: interfaces share a VRF, and the last one to leave removes it", (sandbox) => {
  const netns = container(sandbox, 3);
  const call = (n: number, more = {}) => ({ config: config(n, more), netns, ifName: `eth${n}` });
  plugin(sandbox, { command: "ADD", ...call(1, { table: 42 }) });
  plugin(sandbox, { command: "ADD", ...call(2) });
  plugin(sandbox, { command: "ADD", ...call(3, { vrfname: "red" }) });
  assertEquals(vrfs(sandbox, netns), { blue: [42, true, "eth1", "eth2"], red: [1, true, "eth3"] });
  assertEquals(routes(sandbox, netns, 42), [...moved(1), ...moved(2)].sort());
  assertEquals(routes(sandbox, netns, 1), moved(3));
  plugin(sandbox, { command: "DEL", ...call(1) });
  assertEquals(vrfs(sandbox, netns), { blue: [42, true, "eth2"], red: [1, true, "eth3"] });
  plugin(sandbox, { command: "CHECK", ...call(2) });
  plugin(sandbox, { command: "DEL", ...call(2) });
  assertEquals(vrfs(sandbox, netns), { red: [1, true, "eth3"] });
}, { needs });

kernelTest("vrf: parallel ADDs make one VRF, and no two share a table", (sandbox) => {
  const netns = container(sandbox, 4);
  sandbox.run("ip", "rule add from 192.0.2.1 table 2".split(" "), { netns });
  for (const n of [1, 2, 3, 4]) {
    const vrfname = n % 2 ? "blue" : "red";
    Deno.writeTextFileSync(`/run/test/conf${n}`, JSON.stringify(config(n, { vrfname })));
  }
  sandbox.run("sh", [
    "-c",
    "export CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_PATH=/none CNI_NETNS=$1; " +
    'for n in 1 2 3 4; do CNI_IFNAME=eth$n "$0" <"/run/test/conf$n" >"/run/test/out$n" & done; wait',
    `${pluginDirectory()}/vrf`,
    netns.path,
  ]);
  for (const n of [1, 2, 3, 4]) {
    assertEquals(JSON.parse(Deno.readTextFileSync(`/run/test/out${n}`)), attached(n));
  }
  const { blue, red } = vrfs(sandbox, netns) as Record<string, unknown[]>;
  assertEquals([blue!.slice(1), red!.slice(1)], [[true, "eth1", "eth3"], [true, "eth2", "eth4"]]);
  assertEquals([blue![0], red![0]].sort(), [1, 3]);
}, { needs });

kernelTest("vrf: DEL without namespace, interface, VRF or prevResult", (sandbox) => {
  const netns = container(sandbox, 2);
  const del = (more: Partial<Config> = {}, path: NetNs | string = netns) =>
    plugin(sandbox, { command: "DEL", config: config(1, more), netns: path, ifName: "eth1" });
  for (const gone of ["", "/run/netns/gone"]) del({}, gone);
  del({ vrfname: "eth2" });
  plugin(sandbox, { command: "ADD", config: config(1), netns, ifName: "eth1" });
  sandbox.run("ip", ["link", "del", "eth1"], { netns });
  del({ prevResult: undefined });
  assertEquals([vrfs(sandbox, netns), sandbox.links(netns)], [{}, ["eth2"]]);
}, { needs });

kernelTest("vrf: CHECK sees what is missing", (sandbox) => {
  const netns = container(sandbox);
  const call = { config: config(1, { table: 42 }), netns, ifName: "eth1" };
  plugin(sandbox, { command: "ADD", ...call });
  const fails = (words: string, more = {}) => {
    const config = { ...call.config, ...more };
    const error = pluginError(sandbox, { command: "CHECK", ...call, config });
    assertStringIncludes(error.msg, words);
  };
  fails("different routing table 42", { table: 43 });
  sandbox.run("ip", ["link", "set", "eth1", "nomaster"], { netns });
  fails("failed to find eth1 associated to vrf blue");
  sandbox.run("ip", ["link", "del", "blue"], { netns });
  fails("VRF blue does not exist");
}, { needs });

kernelTest("vrf: a failing ADD leaves everything as it was", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("ip", ["link", "add", "br0", "type", "bridge"], { netns });
  const state = () => [
    routes(sandbox, netns, "main"),
    addresses(sandbox, netns, "eth1"),
    sandbox.links(netns).sort(),
  ];
  const before = state();
  const failures: [more: Record<string, unknown>, code: number, words: string][] = [
    [{ vrfname: undefined }, 7, "expected to have a valid vrf name"],
    [{ vrfname: "a name" }, 7, '"vrfname" is unusable'],
    [{ vrfname: "br0" }, 7, "Netlink br0 is not a VRF: it is a bridge"],
    [{ table: -1 }, 7, '"table" is -1'],
    [{ prevResult: undefined }, 7, "must be called as chained plugin"],
  ];
  for (const [more, code, words] of failures) {
    const call = { config: config(1, more), netns, ifName: "eth1" };
    const error = pluginError(sandbox, { command: "ADD", ...call });
    assertStringIncludes(error.msg, words);
    assertEquals(error.code, code, words);
    assertEquals(state(), before, words);
  }
  sandbox.run("ip", ["link", "set", "eth1", "master", "br0"], { netns });
  const call = { config: config(1), netns, ifName: "eth1" };
  const error = pluginError(sandbox, { command: "ADD", ...call });
  assertStringIncludes(error.msg, "interface eth1 has already a master set: br0");
  assertEquals(vrfs(sandbox, netns), {});
}, { needs });

kernelTest("vrf: a VRF made for an interface that cannot join is removed again", (sandbox) => {
  const netns = container(sandbox);
  const error = pluginError(sandbox, { command: "ADD", config: config(1), netns, ifName: "lo" });
  assertStringIncludes(error.msg, "change interface lo (master blue)");
  assertEquals(vrfs(sandbox, netns), {});
}, { needs });

kernelTest("vrf: an interface that goes back has everything it had before", async (sandbox) => {
  const netns = container(sandbox);
  using inside = Rtnl.open(netns);
  const before = [routes(sandbox, netns, "main"), addresses(sandbox, netns, "eth1")];
  const vrf = createVrf(inside, { vrfname: "blue", table: 7 });
  const device = inside.link.get("eth1");
  const kept = addressesAndRoutesOf(inside, device);
  await changeMaster(netns, inside, device, vrf, kept, { from: 254, to: 7 });
  assertEquals([routes(sandbox, netns, "main"), routes(sandbox, netns, 7)], [[], moved(1)]);
  await changeMaster(netns, inside, device, undefined, kept, { from: 7, to: 254 });
  assertEquals([routes(sandbox, netns, "main"), addresses(sandbox, netns, "eth1")], before);
}, { needs });

kernelTest("vrf: STATUS says whether the kernel has VRFs", (sandbox) => {
  const call = { command: "STATUS", config: { ...config(1), prevResult: undefined } } as const;
  const { success } = new Deno.Command("ip", {
    args: ["link", "add", "probe", "type", "vrf", "table", "9"],
    stderr: "null",
  }).outputSync();
  if (success) plugin(sandbox, call);
  else {
    const error = pluginError(sandbox, call);
    assertEquals(error.code, 50);
    assertStringIncludes(error.msg, "this kernel has no VRFs");
  }
  assertEquals(sandbox.links(), success ? ["probe"] : []);
});

/** The container has a default route by both interfaces, which the kernel makes one of IPv6. */
function shareDefaults(sandbox: Sandbox, netns: NetNs): void {
  const ip = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  for (const n of [1, 2]) {
    ip(`-6 route del default via fd00:${n}::1 dev eth${n} metric ${n}`);
    ip(`-6 route append default via fd00:${n}::1 dev eth${n} metric 7`);
    ip(`route del default via 10.99.${n}.1 dev eth${n} metric ${n}`);
  }
  ip("route add default nexthop via 10.99.1.1 dev eth1 weight 2 nexthop via 10.99.2.1 dev eth2");
}

kernelTest("vrf: of default routes that interfaces share, each takes its own along", (sandbox) => {
  const netns = container(sandbox, 2);
  shareDefaults(sandbox, netns);
  const by = (...interfaces: number[]) => [
    ...interfaces.map((n) => `10.99.${n}.1 dev eth${n}`),
    ...interfaces.map((n) => `fd00:${n}::1 dev eth${n}`),
  ];
  assertEquals(defaultRoutes(sandbox, netns, "main"), by(1, 2));
  const call = (n: number) => ({ config: config(n, { table: 7 }), netns, ifName: `eth${n}` });
  plugin(sandbox, { command: "ADD", ...call(2) });
  assertEquals(
    [defaultRoutes(sandbox, netns, "main"), defaultRoutes(sandbox, netns, 7)],
    [by(1), by(2)],
  );
  plugin(sandbox, { command: "ADD", ...call(1) });
  assertEquals(defaultRoutes(sandbox, netns, "main"), []);
  assertEquals(defaultRoutes(sandbox, netns, 7).filter((route) => route.includes("fd00")), [
    "fd00:1::1 dev eth1",
    "fd00:2::1 dev eth2",
  ]);
  plugin(sandbox, { command: "DEL", ...call(1) });
  assertEquals(defaultRoutes(sandbox, netns, 7).filter((route) => route.includes("fd00")), [
    "fd00:2::1 dev eth2",
  ]);
}, { needs });

kernelTest("vrf: routes that interfaces share are whole when one goes back", async (sandbox) => {
  const netns = container(sandbox, 2);
  shareDefaults(sandbox, netns);
  using inside = Rtnl.open(netns);
  const before = [routes(sandbox, netns, "main"), defaultRoutes(sandbox, netns, "main")];
  const vrf = createVrf(inside, { vrfname: "blue", table: 7 });
  const device = inside.link.get("eth1");
  const kept = addressesAndRoutesOf(inside, device);
  await changeMaster(netns, inside, device, vrf, kept, { from: 254, to: 7 });
  await changeMaster(netns, inside, device, undefined, kept, { from: 7, to: 254 });
  assertEquals(
    [routes(sandbox, netns, "main"), defaultRoutes(sandbox, netns, "main")],
    before,
  );
  assertEquals(defaultRoutes(sandbox, netns, 7), []);
}, { needs });
