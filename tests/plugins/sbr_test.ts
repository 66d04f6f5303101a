import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NetNs } from "../../lib/ns/netns.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { mainRoutes, removeMain, restoreMain } from "../../plugins/meta/sbr/routing.ts";
import { ping } from "../../scripts/support/ping.ts";
import { defaultRoutes } from "../support/network.ts";
import { plugin, pluginDirectory, pluginError } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

/** The result of a plugin that attached interface `eth<n>` to network `10.<n>.0.0/24`. */
function attached(n: number) {
  return {
    cniVersion: "1.1.0",
    interfaces: [{ name: `host${n}` }, { name: `eth${n}`, sandbox: "/var/run/netns/c1" }],
    ips: [
      { address: `10.${n}.0.2/24`, gateway: `10.${n}.0.1`, interface: 1 },
      { address: `fd00:${n}::2/64`, gateway: `fd00:${n}::1`, interface: 1 },
    ],
    dns: { nameservers: ["10.1.0.1"] },
  };
}
const config = (n: number, more = {}) => ({
  cniVersion: "1.1.0",
  name: `net${n}`,
  type: "sbr",
  prevResult: attached(n),
  ...more,
});

/** A container with interfaces eth1 and eth2; its default routes go by eth1, eth2's have a metric. */
function container(sandbox: Sandbox, count = 2): NetNs {
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
    ip(`route add default via 10.${n}.0.1 dev eth${n} metric ${n}`, netns);
    ip(`route add default via fd00:${n}::1 dev eth${n} metric ${n}`, netns);
    ip(`route add 172.16.${n}.0/24 via 10.${n}.0.1 dev eth${n} mtu 1300`, netns);
  }
  return netns;
}

/** The policy rules with a source, as `10.2.0.2 100`. */
function rules(sandbox: Sandbox, netns: NetNs): string[] {
  return ["-4", "-6"].flatMap((family) => sandbox.ip(`${family} rule show`, netns))
    .filter(({ src }) => src !== "all").map(({ src, table }) => `${src} ${table}`);
}

/** A table's routes by one interface, as `default via 10.2.0.1`. */
function routes(sandbox: Sandbox, netns: NetNs, table: string | number, dev: string): string[] {
  return ["-4", "-6"].flatMap((family) => {
    const { code, stdout } = sandbox.try("ip", [
      ...["-j", family, "route", "show", "table", `${table}`, "dev", dev],
    ], { netns });
    // A table that never had a route does not exist for IPv4.
    return code === 0 && stdout.trim() !== "" ? JSON.parse(stdout) : [];
  }).filter(({ dst }) => dst && dst !== "fe80::/64")
    .map(({ dst, gateway, prefsrc, metrics }) =>
      dst + (gateway ? ` via ${gateway}` : "") + (prefsrc ? ` src ${prefsrc}` : "") +
      (metrics?.[0]?.mtu ? ` mtu ${metrics[0].mtu}` : "")
    ).sort();
}

const filled = {
  4: [
    "10.2.0.0/24 src 10.2.0.2",
    "172.16.2.0/24 via 10.2.0.1 mtu 1300",
    "default via 10.2.0.1",
    "default via 10.2.0.1",
  ],
  6: ["default via fd00:2::1", "default via fd00:2::1", "fd00:2::/64"],
};

kernelTest("sbr: each address gets a rule and a table, the main table gives up", (sandbox) => {
  const netns = container(sandbox);
  const others = routes(sandbox, netns, "main", "eth1");
  const result = plugin(sandbox, { command: "ADD", config: config(2), netns, ifName: "eth2" });
  assertEquals(result, attached(2));
  assertEquals(rules(sandbox, netns), ["10.2.0.2 100", "fd00:2::2 101"]);
  assertEquals(routes(sandbox, netns, 100, "eth2"), filled[4]);
  assertEquals(routes(sandbox, netns, 101, "eth2"), filled[6]);
  assertEquals(routes(sandbox, netns, "main", "eth2"), []);
  assertEquals(routes(sandbox, netns, "main", "eth1"), others);
  plugin(sandbox, { command: "CHECK", config: config(2), netns, ifName: "eth2" });

  plugin(sandbox, { command: "DEL", config: config(2), netns, ifName: "eth2" });
  assertEquals(rules(sandbox, netns), []);
  assertEquals([100, 101].map((table) => routes(sandbox, netns, table, "eth2")), [[], []]);
  assertEquals(routes(sandbox, netns, "main", "eth1"), others);
});

kernelTest("sbr: replies leave by the interface that was asked", (sandbox) => {
  const netns = container(sandbox);
  using host = NetNs.current();
  // Somebody far away asks eth2: without sbr the reply goes by eth1, and nobody knows it there.
  sandbox.run("ip", ["address", "add", "192.0.2.1/32", "dev", "lo"]);
  sandbox.run("ip", ["address", "add", "fd99::1/128", "dev", "lo", "nodad"]);
  sandbox.run("ip", "route replace 10.2.0.2/32 dev host2 src 192.0.2.1".split(" "));
  sandbox.run("ip", "route replace fd00:2::2/128 dev host2 src fd99::1".split(" "));
  const answered = (options?: { attempts: number }) =>
    ["10.2.0.2", "fd00:2::2"].map((target) => ping(host, target, options) !== undefined);
  for (const key of ["all", "host1"]) {
    Deno.writeTextFileSync(`/proc/sys/net/ipv4/conf/${key}/rp_filter`, "1");
  }
  sandbox.run("ip", ["-6", "route", "add", "blackhole", "default"], { netns });
  sandbox.run("ip", "-6 route del default dev eth1".split(" "), { netns });
  sandbox.run("ip", "-6 route del default dev eth2".split(" "), { netns });
  assertEquals(answered({ attempts: 2 }), [false, false]);
  plugin(sandbox, { command: "ADD", config: config(2), netns, ifName: "eth2" });
  assertEquals(answered(), [true, true]);
});

kernelTest("sbr: with a table there are rules only", (sandbox) => {
  const netns = container(sandbox);
  const before = routes(sandbox, netns, "main", "eth2");
  const call = { config: config(2, { table: 70000 }), netns, ifName: "eth2" };
  plugin(sandbox, { command: "ADD", ...call });
  assertEquals(rules(sandbox, netns), ["10.2.0.2 70000", "fd00:2::2 70000"]);
  assertEquals(routes(sandbox, netns, "main", "eth2"), before);
  plugin(sandbox, { command: "CHECK", ...call });
  sandbox.run("ip", ["rule", "add", "from", "10.2.0.2", "table", "5"], { netns });
  plugin(sandbox, { command: "DEL", ...call });
  assertEquals(rules(sandbox, netns), ["10.2.0.2 5"]);
});

kernelTest("sbr: table 0 is a table that is found, as if there was none", (sandbox) => {
  const netns = container(sandbox);
  const call = { config: config(2, { table: 0 }), netns, ifName: "eth2" };
  plugin(sandbox, { command: "ADD", ...call });
  assertEquals(rules(sandbox, netns), ["10.2.0.2 100", "fd00:2::2 101"]);
  plugin(sandbox, { command: "CHECK", ...call });
  plugin(sandbox, { command: "DEL", ...call });
  assertEquals(rules(sandbox, netns), []);
  assertEquals([100, 101].map((table) => routes(sandbox, netns, table, "eth2")), [[], []]);
});

kernelTest("sbr: a configured gateway is in place of the interface's default routes", (sandbox) => {
  const netns = container(sandbox);
  // As link plugins make them: without a metric.
  for (const gateway of ["10.2.0.1", "fd00:2::1"]) {
    const words = ["route", "replace", "default", "via", gateway, "dev", "eth2"];
    sandbox.run("ip", words, { netns });
  }
  const gateways = ["10.2.0.9", "fd00:2::9"];
  const call = { config: config(2, { gateways }), netns, ifName: "eth2" };
  plugin(sandbox, { command: "ADD", ...call });
  plugin(sandbox, { command: "CHECK", ...call });
  assertEquals(
    [100, 101].map((table) => defaultRoutes(sandbox, netns, table)),
    gateways.map((gateway) => [`${gateway} dev eth2`]),
  );
});

kernelTest("sbr: gateways, addSourceHints and keepMainRoutes", (sandbox) => {
  const netns = container(sandbox);
  const before = routes(sandbox, netns, "main", "eth2");
  const add = (more: Record<string, unknown>) => {
    const call = { config: config(2, more), netns, ifName: "eth2" };
    plugin(sandbox, { command: "ADD", ...call });
    plugin(sandbox, { command: "CHECK", ...call });
  };
  add({ gateways: ["10.2.0.9", "fd00:2::9"], keepMainRoutes: true });
  assert(routes(sandbox, netns, 100, "eth2").includes("default via 10.2.0.9"));
  assert(routes(sandbox, netns, 101, "eth2").includes("default via fd00:2::9"));
  assertEquals(routes(sandbox, netns, "main", "eth2"), before);
  plugin(sandbox, { command: "DEL", config: config(2), netns, ifName: "eth2" });
  assertEquals(routes(sandbox, netns, "main", "eth2"), before);

  add({ addSourceHints: true });
  assertEquals(routes(sandbox, netns, "main", "eth2"), [
    "10.2.0.0/24 src 10.2.0.2",
    "fd00:2::/64 src fd00:2::2",
  ]);
});

kernelTest(
  "sbr: parallel ADDs take different tables, and tables with routes are not free",
  async (sandbox) => {
    const netns = container(sandbox, 20);
    sandbox.run("ip", "route add 192.0.2.0/24 dev eth1 table 102".split(" "), { netns });
    // Two containers in one namespace: each has a path of its own to it.
    await using other = new BackgroundProcess("sleep", ["600"], { netns });
    const paths = [netns.path, `/proc/${other.pid}/ns/net`];
    const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
    for (const n of numbers) {
      Deno.writeTextFileSync(`/run/test/conf${n}`, JSON.stringify(config(n)));
    }
    sandbox.run("sh", [
      "-c",
      "export CNI_COMMAND=ADD CNI_PATH=/none; for n in $(seq 20); do " +
      'if [ $((n % 2)) = 0 ]; then path=$1; else path=$2; fi; CNI_CONTAINERID=c$((n % 2)) CNI_NETNS=$path CNI_IFNAME=eth$n "$0" <"/run/test/conf$n" >"/run/test/out$n" & done; wait',
      `${pluginDirectory()}/sbr`,
      ...paths,
    ]);
    for (const n of numbers) {
      assertEquals(JSON.parse(Deno.readTextFileSync(`/run/test/out${n}`)), attached(n));
    }
    const tables = rules(sandbox, netns).map((rule) => Number(rule.split(" ")[1]));
    const expected = Array.from({ length: 41 }, (_, index) => 100 + index);
    assertEquals(tables.sort((a, b) => a - b), expected.filter((table) => table !== 102));
  },
);

kernelTest("sbr: DEL without namespace, interface or prevResult", (sandbox) => {
  const netns = container(sandbox);
  const call = { config: config(2), ifName: "eth2" };
  for (const gone of ["", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", ...call, netns: gone });
  }
  assertEquals(sandbox.try("ls", ["/run/netns/gone"]).code !== 0, true);
  plugin(sandbox, { command: "ADD", ...call, netns });
  plugin(sandbox, { command: "DEL", ...call, config: config(2, { prevResult: undefined }), netns });
  assertEquals(rules(sandbox, netns), []);
  sandbox.run("ip", "route add 10.2.0.0/24 dev eth2".split(" "), { netns });
  sandbox.run("ip", "route add fd00:2::/64 dev eth2".split(" "), { netns });
  plugin(sandbox, { command: "ADD", ...call, netns });
  sandbox.run("ip", ["link", "del", "eth2"], { netns });
  plugin(sandbox, { command: "DEL", ...call, netns });
  assertEquals(rules(sandbox, netns), []);
});

kernelTest("sbr: CHECK sees what is missing", (sandbox) => {
  const netns = container(sandbox);
  const call = { config: config(2), netns, ifName: "eth2" };
  plugin(sandbox, { command: "ADD", ...call });
  const fails = (words: string) =>
    assertStringIncludes(pluginError(sandbox, { command: "CHECK", ...call }).msg, words);
  sandbox.run("ip", "-6 route flush table 101".split(" "), { netns });
  fails("no default route by fd00:2::1 dev eth2 in table 101");
  sandbox.run("ip", "rule del from 10.2.0.2".split(" "), { netns });
  fails("no rule sends what comes from 10.2.0.2");
});

kernelTest("sbr: a failing ADD leaves everything as it was", (sandbox) => {
  const netns = container(sandbox);
  const state = () => [
    rules(sandbox, netns),
    ...["main", 100, 101].map((table) => routes(sandbox, netns, table, "eth2")),
  ];
  const before = state();
  const failures: [more: Record<string, unknown>, code: number, words: string][] = [
    [{ prevResult: undefined }, 7, "must be called as chained plugin"],
    [{ prevResult: { ...attached(2), ips: [] } }, 7, "No IP addresses supplied on interface: eth2"],
    [{ prevResult: attached(1) }, 7, "No IP addresses supplied on interface: eth2"],
    [{ gateways: ["10.2.0.1", "10.2.0.3"] }, 7, "multiple IPv4 addresses: 10.2.0.1 and 10.2.0.3"],
    [{ gateways: ["10.2.0.1", "::1", "::2"] }, 7, "more than 2 entries"],
    [{ gateways: ["10.2.0"] }, 7, '"gateways[0]" is "10.2.0"'],
    [{ table: -1 }, 7, '"table" is -1'],
    [{ addSourceHints: true, keepMainRoutes: true }, 7, "remove one"],
    [{ gateways: ["192.0.2.99"] }, 999, "via 192.0.2.99 dev eth2"],
    // The second family fails when the first is done.
    [{ gateways: ["fd77::1"] }, 999, "via fd77::1 dev eth2"],
  ];
  for (const [more, code, words] of failures) {
    const call = { config: config(2, more), netns, ifName: "eth2" };
    const error = pluginError(sandbox, { command: "ADD", ...call });
    assertStringIncludes(error.msg, words);
    assertEquals(error.code, code, words);
    assertEquals(state(), before, words);
  }
  plugin(sandbox, { command: "STATUS", config: config(2) });
  plugin(sandbox, { command: "GC", config: { ...config(2), "cni.dev/valid-attachments": [] } });
});

kernelTest("sbr: what an ADD took from the main table can be put back", (sandbox) => {
  const netns = container(sandbox);
  using inside = Rtnl.open(netns);
  const before = routes(sandbox, netns, "main", "eth2");
  const device = inside.link.get("eth2");
  const taken = mainRoutes(inside, device);
  removeMain(inside, device, taken);
  assertEquals(routes(sandbox, netns, "main", "eth2"), []);
  restoreMain(inside, device, taken.reverse());
  assertEquals(routes(sandbox, netns, "main", "eth2"), before);
});

/** Both interfaces have a default route of one metric, which the kernel makes one of IPv6. */
function shareDefaults(sandbox: Sandbox, netns: NetNs): void {
  const ip = (args: string) => sandbox.run("ip", args.split(" "), { netns });
  for (const n of [1, 2]) {
    ip(`route del default via 10.${n}.0.1 dev eth${n} metric ${n}`);
    ip(`-6 route del default via fd00:${n}::1 dev eth${n} metric ${n}`);
    ip(`-6 route append default via fd00:${n}::1 dev eth${n}`);
  }
  ip("route add default nexthop via 10.1.0.1 dev eth1 weight 2 nexthop via 10.2.0.1 dev eth2");
}

kernelTest("sbr: a default route that interfaces share keeps the others' part", (sandbox) => {
  const netns = container(sandbox);
  shareDefaults(sandbox, netns);
  const by = (n: number) => [`10.${n}.0.1 dev eth${n}`, `fd00:${n}::1 dev eth${n}`];
  const before = defaultRoutes(sandbox, netns, "main");
  assertEquals(before, [...by(1), ...by(2)].sort());
  const call = { netns, ifName: "eth2" };
  const failing = config(2, { gateways: ["fd77::1"] });
  pluginError(sandbox, { command: "ADD", config: failing, ...call });
  assertEquals(defaultRoutes(sandbox, netns, "main"), before);
  plugin(sandbox, { command: "ADD", config: config(2), ...call });
  assertEquals(defaultRoutes(sandbox, netns, "main"), by(1));
  assertEquals(
    [100, 101].map((table) => [...new Set(defaultRoutes(sandbox, netns, table))]),
    by(2).map((route) => [route]),
  );
  plugin(sandbox, { command: "CHECK", config: config(2), ...call });
  plugin(sandbox, { command: "DEL", config: config(2), ...call });
  assertEquals(defaultRoutes(sandbox, netns, "main"), by(1));
});

kernelTest("sbr: a default route that interfaces share is whole when it is put back", (sandbox) => {
  const netns = container(sandbox);
  shareDefaults(sandbox, netns);
  const before = defaultRoutes(sandbox, netns, "main");
  using inside = Rtnl.open(netns);
  const device = inside.link.get("eth2");
  const taken = mainRoutes(inside, device);
  removeMain(inside, device, taken);
  assertEquals(defaultRoutes(sandbox, netns, "main"), ["10.1.0.1 dev eth1", "fd00:1::1 dev eth1"]);
  restoreMain(inside, device, taken);
  assertEquals(defaultRoutes(sandbox, netns, "main"), before);
});
