import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { IpAddress } from "../../lib/ip/address.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { errnoNumber } from "../../lib/runtime/errno.ts";
import { runInCall } from "../../lib/runtime/current_call.ts";
import { Poller } from "../../lib/libc/poller.ts";
import { AF_INET } from "../../lib/libc/sockaddr.ts";
import { SystemError } from "../../lib/libc/system_error.ts";
import { NUD_FAILED, NUD_REACHABLE } from "../../lib/netlink/neighbour.ts";
import { ROUTE, RT_TABLE_MAIN, RTM_GETROUTE } from "../../lib/netlink/route.ts";
import type { Link } from "../../lib/rtnl/link.ts";
import { whole } from "../../lib/rtnl/route.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../lib/nl/error.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "../../lib/nl/socket.ts";
import { KernelTransport } from "../../lib/nl/transport.ts";
import { eventually } from "../support/process.ts";
import { callBeside } from "../support/call_beside.ts";
import { kernelTest } from "../support/sandbox.ts";

/** A bridge that is up, for addresses and routes. */
function device(rtnl: Rtnl, name = "br0"): Link {
  rtnl.link.add({ name, kind: "bridge" });
  rtnl.link.set(name, { up: true });
  return rtnl.link.get(name);
}

/** Runs `attempt`, which the kernel must refuse. */
function refused(attempt: () => unknown, code: string): string {
  const error = assertThrows(attempt, NetlinkError);
  assertEquals(error.code, code);
  return error.message;
}

kernelTest(
  "address: several and the link set up are one datagram; a refusal names its address",
  async (sandbox) => {
    using rtnl = Rtnl.open();
    rtnl.link.add({ name: "br0", kind: "bridge" });
    const link = rtnl.link.get("br0");
    const addresses = ["10.1.0.2/24", "fd00::2/64"].map(Cidr.parse);
    const options = { noDad: true, mac: "02:00:00:00:00:01", arpNotify: true };
    await rtnl.addAndSetUpMeanwhile(link, addresses, options);
    const [shown] = sandbox.ip("address show dev br0 scope global");
    const of = (one: { local: string; prefixlen: number }) => `${one.local}/${one.prefixlen}`;
    assertEquals(shown.addr_info.map(of), addresses.map(String));
    assertEquals([shown.flags.includes("UP"), shown.address], [true, "02:00:00:00:00:01"]);
    const arpNotify = (name: string) =>
      Deno.readTextFileSync(`/proc/sys/net/ipv4/conf/${name}/arp_notify`);
    assertEquals(["br0", "all"].map(arpNotify), ["1\n", "0\n"]);
    const again = [Cidr.parse("10.1.0.3/24"), ...addresses];
    const error = await assertRejects(
      () => rtnl.addAndSetUpMeanwhile(link, again, {}),
      NetlinkError,
    );
    assertStringIncludes(error.message, "cannot add address 10.1.0.2/24 to br0: EEXIST");
  },
);

kernelTest("link: what netdevice(7) says of a link is what ip shows", async (sandbox) => {
  using rtnl = Rtnl.open();
  const address = "02:00:00:ab:cd:ef";
  const name = "x".repeat(15);
  rtnl.link.add({ name, kind: "bridge", address });
  const link = rtnl.link.get(name);
  for (const up of [false, true, false]) {
    rtnl.link.set(link, { up });
    const [shown] = sandbox.ip(`link show dev ${name}`);
    assertEquals(rtnl.link.isUp(link), shown.flags.includes("UP"));
    assertEquals(rtnl.link.hardwareAddress(link), shown.address);
  }
  assertEquals((await rtnl.link.findMeanwhile(name))?.index, link.index);
  rtnl.link.remove(link);
  assertEquals(await rtnl.link.findMeanwhile(name), undefined);
  for (const ask of [() => rtnl.link.isUp(link), () => rtnl.link.hardwareAddress(link)]) {
    const error = assertThrows(ask, SystemError, `of interface ${name}`);
    assertEquals(error.code, "ENODEV");
  }
});

kernelTest("link: a link goes by its alternative names too, however long", (sandbox) => {
  using rtnl = Rtnl.open();
  const { index } = device(rtnl);
  const long = "enp0s0f0np0-of-a-card-with-a-long-name";
  for (const name of ["short", long]) {
    assertEquals(rtnl.link.find(name), undefined);
    sandbox.run("ip", ["link", "property", "add", "dev", "br0", "altname", name]);
    const { name: own, index: found } = rtnl.link.get(name);
    assertEquals([own, found], ["br0", index]);
    rtnl.link.set(name, { mtu: 1400, alias: name });
    const [shown] = sandbox.ip("link show dev br0");
    assertEquals([shown.ifname, shown.mtu, shown.ifalias], ["br0", 1400, name]);
  }
  assertEquals([rtnl.link.find("x".repeat(128)), rtnl.link.find("br0\0")], [undefined, undefined]);
  assertEquals(rtnl.link.removeIfPresent("x".repeat(16)), false);
  rtnl.link.set(long, { up: false }); // Before Linux 6.2 one that is up keeps its name.
  rtnl.link.set(long, { name: "br1" });
  assertEquals(rtnl.link.get(index).name, "br1");
  assertEquals([rtnl.link.removeIfPresent(long), rtnl.link.find(index)], [true, undefined]);
});

kernelTest(
  "link: one that is removed is gone at once from both namespaces, and its name and address are free",
  async (sandbox) => {
    using poller = new Poller();
    using container = sandbox.container();
    sandbox.run("ip", ["link", "add", "br0", "type", "bridge"]);
    await runInCall(callBeside(poller), async () => {
      for (let round = 0; round < 10; round++) {
        using rtnl = Rtnl.open();
        const peer = { name: "eth0", netnsFd: container.descriptor };
        rtnl.link.add({ name: "v0", kind: "veth", master: rtnl.link.get("br0"), data: { peer } });
        rtnl.link.set("v0", { up: true });
        const link = rtnl.link.get("v0");
        rtnl.address.add(link, Cidr.parse("10.1.0.1/24"));
        assertEquals(await rtnl.link.removeMeanwhile(link), true);
        assertEquals([sandbox.links(), sandbox.links(container)], [["br0"], []]);
        assertEquals([sandbox.ip("route show"), sandbox.bridge("link show")], [[], []]);
        assertEquals(await rtnl.link.removeMeanwhile(link), false);
      }
    });
  },
);

kernelTest(
  "link: several are removed at the same time, in a process that serves many calls",
  async (sandbox) => {
    using poller = new Poller();
    using host = Rtnl.open();
    const links = Array.from({ length: 8 }, (_, i) => {
      host.link.add({ name: `br${i}`, kind: "bridge" });
      return host.link.get(`br${i}`);
    });
    const remove = async (link: Link) => {
      using rtnl = Rtnl.open();
      return await rtnl.link.removeMeanwhile(link);
    };
    await runInCall(callBeside(poller), async () => {
      assertEquals(await Promise.all(links.map(remove)), links.map(() => true));
      assertEquals(sandbox.ip("link show type bridge"), []);
      assertEquals(await remove(links[0]!), false);
      const error = await assertRejects(() => remove(host.link.get("lo")), NetlinkError);
      assertEquals(error.code, "EOPNOTSUPP");
    });
  },
);

kernelTest("link: add, set, get, list and remove agree with `ip link`", (sandbox) => {
  using rtnl = Rtnl.open();
  using container = sandbox.container();
  const peer = { name: "eth0", netnsFd: container.descriptor };
  const address = "02:00:00:00:00:01";
  rtnl.link.add({ name: "v0", kind: "veth", mtu: 1400, address, txqlen: 7, data: { peer } });
  const bridge = device(rtnl);
  rtnl.link.set("v0", { up: true, master: bridge, alias: "a note", promisc: true });
  const [shown] = sandbox.ip("-d link show dev v0");
  assertEquals(
    [shown.mtu, shown.address, shown.txqlen, shown.master, shown.ifalias, shown.linkinfo.info_kind],
    [1400, address, 7, "br0", "a note", "veth"],
  );
  assert(shown.flags.includes("UP") && shown.flags.includes("PROMISC"));
  assertEquals(sandbox.links(container), ["eth0"]);

  const link = rtnl.link.get("v0");
  assertEquals(
    [link.index, link.mtu, link.address, link.txqlen, link.master, link.alias, link.kind, link.up],
    [shown.ifindex, 1400, address, 7, bridge.index, "a note", "veth", true],
  );
  assertEquals(link.parent, sandbox.ip("link show dev eth0", container)[0].ifindex);
  assertEquals(rtnl.link.list({ master: bridge.index }).map(({ name }) => name), ["v0"]);
  assertEquals(rtnl.link.list({ kind: "bridge" }).map(({ name }) => name), ["br0"]);

  rtnl.link.set(link, { up: false }); // Before Linux 6.2 one that is up keeps its name.
  rtnl.link.set(link, { name: "v1", master: 0, mtu: 1300, promisc: false });
  const [renamed] = sandbox.ip("-d link show dev v1");
  assertEquals([renamed.mtu, renamed.master], [1300, undefined]);
  assert(rtnl.link.removeIfPresent("v1"));
  assertEquals([rtnl.link.removeIfPresent("v1"), rtnl.link.find("v1")], [false, undefined]);
  assertEquals(sandbox.links(container), []);
});

kernelTest(
  "link: set() by a name that is not there changes nothing and makes nothing",
  (sandbox) => {
    using rtnl = Rtnl.open();
    refused(() => rtnl.link.set("none0", { up: true }), "ENODEV");
    assertEquals(sandbox.links(), []);
  },
);

kernelTest("link: setPort() sets hairpin and isolation, and leaves the other alone", (sandbox) => {
  using rtnl = Rtnl.open();
  rtnl.link.add({ name: "v0", kind: "veth", data: { peer: { name: "v1" } } });
  rtnl.link.set("v0", { master: device(rtnl) });
  const port = rtnl.link.get("v0");
  const shown = () => {
    const { hairpin, isolated } = sandbox.ip("-d link show dev v0")[0].linkinfo.info_slave_data;
    return { hairpin, isolated };
  };
  rtnl.link.setPort(port, { hairpin: true });
  assertEquals(shown(), { hairpin: true, isolated: false });
  rtnl.link.setPort(port, { isolated: true });
  assertEquals(shown(), { hairpin: true, isolated: true });
  rtnl.link.setPort(port, { hairpin: false, isolated: false });
  assertEquals(shown(), { hairpin: false, isolated: false });
});

kernelTest("address: add, list and remove agree with `ip address`", (sandbox) => {
  using rtnl = Rtnl.open();
  const link = device(rtnl);
  rtnl.address.add(link, Cidr.parse("10.1.2.3/16"));
  rtnl.address.add(link, Cidr.parse("10.9.9.9/32"));
  rtnl.address.add(link, Cidr.parse("fd00::3/64"), { noDad: true });
  const shown = sandbox.ip("address show dev br0")[0].addr_info
    .filter(({ scope }: { scope: string }) => scope === "global");
  const brief = shown.map((a: Record<string, unknown>) => [a.local, a.prefixlen, a.broadcast]);
  assertEquals(brief, [
    ["10.1.2.3", 16, "10.1.255.255"],
    ["10.9.9.9", 32, undefined],
    ["fd00::3", 64, undefined],
  ]);
  const listed = rtnl.address.list({ device: link }).map(({ address }) => String(address))
    .filter((text) => !text.startsWith("fe80"));
  assertEquals(listed.sort(), ["10.1.2.3/16", "10.9.9.9/32", "fd00::3/64"]);
  assertEquals(rtnl.address.list({ device: link, family: 4 }).length, 2);
  const had = ["10.1.2.3/16", "fd00::3/64", "10.1.2.3/24", "fd00::4/64"].map((address) =>
    rtnl.address.has(link, Cidr.parse(address))
  );
  assertEquals(had, [true, true, false, false]);
  const words = refused(() => rtnl.address.add(link, Cidr.parse("10.1.2.3/16")), "EEXIST");
  assertStringIncludes(words, "cannot add address 10.1.2.3/16 to br0: EEXIST");
  rtnl.address.remove(link, Cidr.parse("10.1.2.3/16"));
  refused(() => rtnl.address.remove(link, Cidr.parse("10.1.2.3/16")), "EADDRNOTAVAIL");
  rtnl.address.removeIfPresent(link, Cidr.parse("10.1.2.3/16"));
  assertEquals(rtnl.address.list({ device: link, family: 4 }).length, 1);
});

kernelTest("address, route, neighbour: an interface that has gone meanwhile has none", () => {
  using rtnl = Rtnl.open();
  const gone = device(rtnl);
  rtnl.link.remove(gone);
  assertEquals(rtnl.address.list({ device: gone }), []);
  assertEquals(rtnl.address.has(gone, Cidr.parse("10.1.2.3/16")), false);
  assertEquals(rtnl.route.list({ device: gone }), []);
  assertEquals(rtnl.neighbour.list({ device: gone }), []);
});

kernelTest("address: setPreferred() deprecates an address, and takes that back", (sandbox) => {
  using rtnl = Rtnl.open();
  const link = device(rtnl);
  const address = Cidr.parse("fd00::3/64");
  rtnl.address.add(link, address, { noDad: true });
  const shown = () =>
    sandbox.ip("-6 address show dev br0 scope global")[0].addr_info
      .filter(({ local }: { local?: string }) => local)
      .map(({ local, deprecated = false }: Record<string, unknown>) => [local, deprecated]);
  rtnl.address.setPreferred(link, address, false);
  assertEquals(shown(), [["fd00::3", true]]);
  rtnl.address.setPreferred(link, address, true);
  assertEquals(shown(), [["fd00::3", false]]);
});

kernelTest("route: add, replace, prepend, list and remove agree with `ip route`", (sandbox) => {
  using rtnl = Rtnl.open();
  const link = device(rtnl);
  rtnl.address.add(link, Cidr.parse("10.1.0.2/16"));
  const to = Cidr.parse("10.7.0.0/16");
  const via = (last: number) => IpAddress.parse(`10.1.0.${last}`);
  rtnl.route.add({ to, device: link, via: via(1), priority: 5, mtu: 1300, advmss: 1200 });
  const [shown] = sandbox.ip("route show 10.7.0.0/16");
  assertEquals(
    [shown.gateway, shown.metric, shown.metrics],
    ["10.1.0.1", 5, [{ mtu: 1300, advmss: 1200 }]],
  );
  const words = refused(
    () => rtnl.route.add({ to, device: link, via: via(3), priority: 5 }),
    "EEXIST",
  );
  assertStringIncludes(words, "add route 10.7.0.0/16 via 10.1.0.3 dev br0 metric 5 table main");
  rtnl.route.prepend({ to, device: link, via: via(3), priority: 5 });
  assertEquals(sandbox.ip("route show 10.7.0.0/16").map((r) => r.gateway), [
    "10.1.0.3",
    "10.1.0.1",
  ]);
  const other = Cidr.parse("10.8.0.0/16");
  rtnl.route.replace({ to: other, device: link, via: via(4), table: 300 });
  rtnl.route.replace({ to: other, device: link, via: via(5), table: 300 });
  assertEquals(sandbox.ip("route show table 300").map((r) => r.gateway), ["10.1.0.5"]);
  const listed = rtnl.route.list({ table: 300 });
  assertEquals(listed.map(({ to, via }) => `${to} ${via}`), ["10.8.0.0/16 10.1.0.5"]);
  rtnl.route.remove({ to: other, table: 300 });
  refused(() => rtnl.route.remove({ to: other, table: 300 }), "ESRCH");
  rtnl.route.removeIfPresent({ to: other, table: 300 });
});

kernelTest("route: several next hops agree with `ip route`, and are taken apart", (sandbox) => {
  using rtnl = Rtnl.open();
  const [one, two] = ["br0", "br1"].map((name) => device(rtnl, name));
  const ip = (args: string) => sandbox.run("ip", args.split(" "));
  [one!, two!].forEach(({ name }, n) => {
    ip(`address add 10.${n}.0.1/24 dev ${name}`);
    ip(`address add fd00:${n}::1/64 dev ${name} nodad`);
  });
  const via = (n: number) => IpAddress.parse(`10.${n}.0.9`);
  const nextHops = [
    { device: one!.index, via: via(0), weight: 3, onlink: false },
    { device: two!.index, via: via(1), weight: undefined, onlink: false },
  ];
  const to = Cidr.parse("203.0.113.0/24");
  rtnl.route.add({ to, nextHops });
  const shown = () =>
    sandbox.ip("route show 203.0.113.0/24").map(({ nexthops, gateway, dev }) =>
      nexthops?.map((hop: Record<string, unknown>) => `${hop.gateway} ${hop.dev} ${hop.weight}`) ??
        `${gateway} ${dev}`
    );
  assertEquals(shown(), [["10.0.0.9 br0 3", "10.1.0.9 br1 1"]]);
  const [route, ...others] = rtnl.route.list({ device: two! }).filter((each) => each.to.equals(to));
  assertEquals([route!.nextHops, route!.device, others], [nextHops, undefined, []]);
  rtnl.route.removeDevice(route!, one!);
  assertEquals(shown(), ["10.1.0.9 br1"]);
  rtnl.route.ensure(whole(route!, one!));
  assertEquals(shown(), [["10.0.0.9 br0 3", "10.1.0.9 br1 1"]]);
  rtnl.route.remove(whole(route!, one!));
  assertEquals(shown(), []);

  const to6 = Cidr.parse("2001:db8::/32");
  const hop = (n: number) => ({
    to: to6,
    device: n ? two! : one!,
    via: IpAddress.parse(`fd00:${n}::9`),
  });
  rtnl.route.add({ ...hop(0), weight: 3 });
  rtnl.route.ensure(hop(1));
  rtnl.route.ensure(hop(1)); // again
  const shown6 = () =>
    sandbox.ip("-6 route show 2001:db8::/32").flatMap(({ nexthops, ...single }) =>
      (nexthops ?? [single]).map((each: Record<string, unknown>) =>
        `${each.gateway} ${each.dev} ${each.weight ?? 1}`
      )
    );
  assertEquals(
    shown6(),
    ["fd00:0::9 br0 3", "fd00:1::9 br1 1"].map((each) => each.replace(":0:", ":")),
  );
  const listed = rtnl.route.list({ family: 6, device: one! }).filter((each) => each.to.equals(to6));
  assertEquals(listed.map(({ via, weight }) => [String(via), weight]), [["fd00::9", 3]]);
  rtnl.route.removeDevice(listed[0]!, one!);
  assertEquals(shown6(), ["fd00:1::9 br1 1"]);
});

kernelTest(
  "route: one without gateway and scope is on the link, as `ip route add` has it",
  (sandbox) => {
    using rtnl = Rtnl.open();
    const br0 = device(rtnl);
    const gateway = IpAddress.parse("198.51.100.1");
    rtnl.route.add({ to: Cidr.host(gateway), device: br0 });
    rtnl.route.add({ to: Cidr.default(4), device: br0, via: gateway });
    rtnl.route.add({ to: Cidr.parse("203.0.113.0/24"), device: br0, scope: 0 });
    assertEquals(sandbox.ip("route show").map(({ dst, scope }) => [dst, scope]), [
      ["default", undefined],
      ["198.51.100.1", "link"],
      ["203.0.113.0/24", undefined],
    ]);
  },
);

kernelTest("route: a route of any scope is removed without naming its scope", (sandbox) => {
  using rtnl = Rtnl.open();
  const link = device(rtnl);
  rtnl.address.add(link, Cidr.parse("10.1.0.2/16"));
  // The kernel's own connected route has scope link.
  rtnl.route.remove({ to: Cidr.parse("10.1.0.0/16"), device: link });
  sandbox.run("ip", ["route", "add", "10.1.0.9/32", "dev", "br0", "scope", "host"]);
  rtnl.route.remove({ to: Cidr.parse("10.1.0.9/32"), device: link });
  assertEquals(rtnl.route.list({ table: RT_TABLE_MAIN, family: 4 }), []);
});

kernelTest("route: an unreachable gateway is named, with the kernel's own words", () => {
  using rtnl = Rtnl.open();
  const route = { to: Cidr.default(4), device: device(rtnl), via: IpAddress.parse("192.0.2.1") };
  const words = refused(() => rtnl.route.add(route), "ENETUNREACH");
  assertStringIncludes(words, "route default (0.0.0.0/0) via 192.0.2.1 dev br0");
  assertStringIncludes(words, "Nexthop has invalid gateway");
});

kernelTest("rule: add, list and remove agree with `ip rule`", (sandbox) => {
  using rtnl = Rtnl.open();
  const rules = [
    { family: 4, from: Cidr.parse("10.1.0.2/32"), table: 1000, priority: 40 },
    { family: 6, from: Cidr.parse("fd00::2/128"), table: 100, priority: 41 },
  ] as const;
  for (const rule of rules) rtnl.rule.add(rule);
  const own = (family: string) =>
    sandbox.ip(`${family} rule show`).filter(({ priority }) => priority === 40 || priority === 41)
      .map(({ src, table }) => [src, table]);
  assertEquals([own("-4"), own("-6")], [[["10.1.0.2", "1000"]], [["fd00::2", "100"]]]);
  const found = rtnl.rule.list({ family: 4 }).find(({ table }) => table === 1000);
  assertEquals([String(found?.from), found?.priority], ["10.1.0.2/32", 40]);
  for (const rule of rules) rtnl.rule.remove(rule);
  refused(() => rtnl.rule.remove(rules[0]), "ENOENT");
  rtnl.rule.removeIfPresent(rules[1]);
  assertEquals([own("-4"), own("-6")], [[], []]);
});

kernelTest("neighbour: replace, list and remove agree with `ip neighbour`", (sandbox) => {
  using rtnl = Rtnl.open();
  const link = device(rtnl);
  const address = IpAddress.parse("10.1.0.7");
  rtnl.neighbour.replace(link, address, "02:00:00:00:00:07");
  const [shown] = sandbox.ip("neighbour show dev br0");
  assertEquals([shown.dst, shown.lladdr, shown.state], ["10.1.0.7", "02:00:00:00:00:07", [
    "PERMANENT",
  ]]);
  // The kernel adds entries for multicast addresses by itself.
  const own = () =>
    rtnl.neighbour.list({ device: link }).filter((entry) => entry.address.equals(address));
  const [listed] = own();
  assertEquals([String(listed?.address), listed?.linkAddress], ["10.1.0.7", "02:00:00:00:00:07"]);
  rtnl.neighbour.removeIfPresent(link, address);
  rtnl.neighbour.removeIfPresent(link, address);
  assertEquals(own(), []);
});

kernelTest("neighbour: probe() has the kernel find out who is there", async (sandbox) => {
  const netns = sandbox.container();
  sandbox.run("ip", ["link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", "c1"]);
  sandbox.run("ip", ["link", "set", "v0", "up"]);
  sandbox.run("ip", ["address", "add", "10.1.0.1/24", "dev", "v0"]);
  sandbox.run("ip", ["link", "set", "v1", "up"], { netns });
  sandbox.run("ip", ["address", "add", "10.1.0.2/24", "dev", "v1"], { netns });
  using rtnl = Rtnl.open();
  const link = rtnl.link.get("v0");
  for (const [text, expected] of [["10.1.0.2", NUD_REACHABLE], ["10.1.0.3", NUD_FAILED]] as const) {
    const address = IpAddress.parse(text);
    const state = () =>
      rtnl.neighbour.list({ device: link }).find((entry) => entry.address.equals(address))?.state;
    rtnl.neighbour.probe(link, address);
    await eventually(() => state() === expected, () => `state ${expected}, not ${state()}`);
    // And again, of one that is known.
    rtnl.neighbour.probe(link, address);
    await eventually(() => state() === expected, () => `state ${expected}, not ${state()}`);
  }
});

kernelTest("one answer of many addresses and routes is read to its end", () => {
  using rtnl = Rtnl.open();
  const link = device(rtnl);
  const many = 3000;
  rtnl.address.add(link, Cidr.parse("10.0.0.1/8"));
  for (let i = 0; i < many; i++) {
    rtnl.route.add({ to: Cidr.host(IpAddress.parse("172.16.0.0").add(i)), device: link });
  }
  assertEquals(rtnl.route.list({ table: RT_TABLE_MAIN, device: link, family: 4 }).length, many + 1);
});

kernelTest("a dump of which a part is lost is read to its end, and asked for again", () => {
  using rtnl = Rtnl.open();
  const lo = rtnl.link.get("lo");
  rtnl.link.set(lo, { up: true });
  // More than fits into one datagram.
  const routes = Array.from(
    { length: 2000 },
    (_, i) => Cidr.host(IpAddress.parse("10.1.0.0").add(i)),
  );
  for (const to of routes) rtnl.route.add({ to, device: lo });

  const kernel = new KernelTransport(NETLINK_ROUTE);
  let received = 0;
  using socket = new NetlinkSocket({
    descriptor: -1,
    send: (datagram) => kernel.send(datagram),
    receive() {
      const datagram = kernel.receive();
      if (++received === 2) throw new SystemError("receive", errnoNumber("ENOBUFS")!);
      return datagram;
    },
    growReceiveBuffer: () => kernel.growReceiveBuffer(),
    [Symbol.dispose]: () => kernel[Symbol.dispose](),
  });
  const payload = ROUTE.encode({ family: AF_INET });
  const answers = socket.dump({ type: RTM_GETROUTE, payload, purpose: "list routes" });
  const found = new Set(answers.map((answer) => String(ROUTE.decode(answer).to)));
  assertEquals(routes.filter(({ ip }) => !found.has(String(ip))), []);
  assert(received > 4);
});
