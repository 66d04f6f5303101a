import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { attachmentIfbName, ifbName } from "../../lib/ip/hash_names.ts";
import { NetNs } from "../../lib/ns/netns.ts";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { udpRate } from "../support/udp_rate.ts";

const MBIT = 1_000_000;
const limits = {
  ingressRate: 8 * MBIT,
  ingressBurst: 160_000,
  egressRate: 4 * MBIT,
  egressBurst: 80_000,
};
const prevResult = {
  cniVersion: "1.1.0",
  interfaces: [
    { name: "host0", mac: "02:00:00:00:00:01" },
    { name: "eth0", mac: "02:00:00:00:00:02", sandbox: "/var/run/netns/c1" },
  ],
  ips: [{ address: "10.1.0.2/24", interface: 1 }],
};
const config = { cniVersion: "1.1.0", name: "net", type: "bandwidth", prevResult };
const limited = { ...config, ...limits };
/** The Go plugin's name, which the first attachment of a container gets; and those of its own. */
const egressIfb = ifbName("net", "test");
const [ownIngress, ownEgress] = (["ingress", "egress"] as const).map((direction) =>
  attachmentIfbName({ network: "net", containerId: "test", ifName: "eth0" }, direction)
);

/** A container and the host, joined by veth pairs with addresses in two networks of each family. */
function container(sandbox: Sandbox, ...names: string[]): NetNs {
  const netns = sandbox.container();
  for (const [index, name] of ["eth0", ...names].entries()) {
    const host = `host${index}`;
    const pair = `link add ${host} type veth peer name ${name} netns c1`;
    sandbox.run("ip", pair.split(" "));
    sandbox.run("ip", ["link", "set", host, "up"]);
    sandbox.run("ip", ["link", "set", name, "up"], { netns });
    for (const network of [`10.${index + 1}.0`, `10.${index + 1}.1`]) {
      sandbox.run("ip", ["address", "add", `${network}.1/24`, "dev", host]);
      sandbox.run("ip", ["address", "add", `${network}.2/24`, "dev", name], { netns });
    }
    for (const network of [`fd00:${index + 1}`, `fd01:${index + 1}`]) {
      sandbox.run("ip", ["address", "add", `${network}::1/64`, "dev", host, "nodad"]);
      sandbox.run("ip", ["address", "add", `${network}::2/64`, "dev", name, "nodad"], { netns });
    }
  }
  return netns;
}

// deno-lint-ignore no-explicit-any -- tc's JSON has no types
function tc(sandbox: Sandbox, args: string): any[] {
  return JSON.parse(sandbox.run("tc", ["-j", ...args.split(" ")]) || "[]");
}

/** The kinds of a device's disciplines, without those it always has. */
function kinds(sandbox: Sandbox, device: string): string[] {
  return tc(sandbox, `qdisc show dev ${device}`).map(({ kind }) => kind)
    .filter((kind) => kind !== "noqueue");
}

function ifbs(sandbox: Sandbox): string[] {
  return sandbox.ip("link show type ifb").map(({ ifname }) => ifname)
    .filter((name) => !/^ifb\d$/.test(name)).sort();
}

kernelTest("bandwidth: ADD limits both directions as tc would, DEL takes it back", (sandbox) => {
  const netns = container(sandbox);
  const result = plugin(sandbox, { command: "ADD", config: limited, netns });
  const [ifb] = sandbox.ip(`-d link show dev ${egressIfb}`);
  assertEquals(result.interfaces, [
    ...prevResult.interfaces,
    { name: egressIfb, mac: ifb.address },
  ]);
  assertEquals(result.ips, prevResult.ips);
  assertEquals([ifb.mtu, ifb.ifalias, ifb.flags.includes("UP")], [1500, "cni:net/test/eth0", true]);

  // 8 Mbit/s are 1 MB/s; the limit is 25 ms of it and the burst of 20 kB.
  const bucket = (device: string) => {
    const { kind, handle, root, options } = tc(sandbox, `qdisc show dev ${device}`)[0];
    return { kind, handle, root, ...options };
  };
  assertEquals(bucket("host0"), {
    kind: "tbf",
    handle: "1:",
    root: true,
    rate: 1_000_000,
    burst: 20_000,
    lat: 25_000,
  });
  assertEquals([bucket(egressIfb).rate, bucket(egressIfb).burst], [500_000, 10_000]);
  assertEquals(kinds(sandbox, "host0"), ["tbf", "ingress"]);
  const filter = tc(sandbox, "filter show dev host0 ingress").find(({ options }) => options?.match);
  assertEquals([filter.protocol, filter.pref, filter.options.actions[0].to_dev], [
    "all",
    1,
    egressIfb,
  ]);
  plugin(sandbox, { command: "CHECK", config: { ...limited, prevResult: result }, netns });

  plugin(sandbox, { command: "DEL", config: limited, netns });
  assertEquals([kinds(sandbox, "host0"), ifbs(sandbox)], [[], []]);
  for (const gone of [netns, "", "/run/netns/gone"]) {
    plugin(sandbox, { command: "DEL", config: limited, netns: gone });
  }
  plugin(sandbox, { command: "ADD", config: limited, netns });
}, { needs: ["tc"] });

/**
 * So slow, and with so much waiting, that the sender may be late now and then; what a bucket holds
 * is less than a tenth of what a second lets through.
 */
const patient = {
  ...limited,
  ingressRate: 0.8 * MBIT,
  ingressBurst: 48_000,
  egressRate: 1.2 * MBIT,
  egressBurst: 48_000,
  latency: 1000,
};

/**
 * What arrives in the container and on the host, by IPv4 and by IPv6, as multiples of the limits.
 * @param network the beginnings of the two networks' addresses
 * @param least what should arrive at least
 */
function rates(netns: NetNs, network: { 4: string; 6: string }, least: number): number[] {
  using host = NetNs.current();
  const { ingressRate, egressRate } = patient;
  return [`${network[4]}.`, `${network[6]}::`].flatMap((start) => [
    udpRate(host, netns, `${start}2`, least * ingressRate) / ingressRate,
    udpRate(netns, host, `${start}1`, least * egressRate) / egressRate,
  ]);
}

function within10Percent(rates: readonly number[]): void {
  assert(rates.every((rate) => rate > 0.9 && rate < 1.1), `of the limits: ${rates}`);
}

kernelTest("bandwidth: real traffic keeps to the limits, within a tenth", (sandbox) => {
  const netns = container(sandbox);
  plugin(sandbox, { command: "ADD", config: patient, netns });
  within10Percent(rates(netns, { 4: "10.1.0", 6: "fd00:1" }, 0.9));
});

kernelTest(
  "bandwidth: subnets are excepted from the limits, or the only ones limited",
  (sandbox) => {
    const netns = container(sandbox);
    const [others, apart] = [{ 4: "10.1.0", 6: "fd00:1" }, { 4: "10.1.1", 6: "fd01:1" }];
    const subnets = ["10.1.1.0/24", "fd01:1::/64"];
    for (const key of ["unshapedSubnets", "shapedSubnets"]) {
      const config = { ...patient, [key]: subnets };
      const result = plugin(sandbox, { command: "ADD", config, netns });
      assertEquals(result.interfaces.slice(2).map(({ name }: { name: string }) => name), [
        egressIfb,
        ownIngress,
      ]);
      plugin(sandbox, { command: "CHECK", config: { ...config, prevResult: result }, netns });
      const [free, bound] = key === "unshapedSubnets" ? [apart, others] : [others, apart];
      const unlimited = rates(netns, free!, 2);
      assert(unlimited.every((rate) => rate > 2), `${key}: free are ${unlimited}`);
      within10Percent(rates(netns, bound!, 0.9));
      plugin(sandbox, { command: "DEL", config, netns });
      assertEquals([kinds(sandbox, "host0"), ifbs(sandbox)], [[], []]);
    }
  },
  { needs: ["tc"] },
);

kernelTest("bandwidth: one direction alone, and a latency of one's own", (sandbox) => {
  const netns = container(sandbox);
  const { ingressRate, ingressBurst, egressRate, egressBurst } = limits;
  const ingress = { ...config, ingressRate, ingressBurst, latency: 100 };
  const first = plugin(sandbox, { command: "ADD", config: ingress, netns });
  assertEquals(first, prevResult);
  assertEquals([kinds(sandbox, "host0"), ifbs(sandbox)], [["tbf"], []]);
  assertEquals(tc(sandbox, "qdisc show dev host0")[0].options.lat, 100_000);
  plugin(sandbox, { command: "CHECK", config: ingress, netns });
  plugin(sandbox, { command: "DEL", config: ingress, netns });
  const egress = { ...config, egressRate, egressBurst };
  plugin(sandbox, { command: "ADD", config: egress, netns });
  assertEquals([kinds(sandbox, "host0"), ifbs(sandbox)], [["ingress"], [egressIfb]]);
  plugin(sandbox, { command: "CHECK", config: egress, netns });
}, { needs: ["tc"] });

kernelTest("bandwidth: the runtime's limits count where the configuration has none", (sandbox) => {
  const netns = container(sandbox);
  const rateOf = () => tc(sandbox, "qdisc show dev host0")[0].options.rate;
  const runtimeConfig = { bandwidth: { ingressRate: 800_000, ingressBurst: 160_000 } };
  plugin(sandbox, { command: "ADD", config: { ...config, runtimeConfig }, netns });
  assertEquals(rateOf(), 100_000);
  plugin(sandbox, { command: "DEL", config: { ...config, runtimeConfig }, netns });
  plugin(sandbox, { command: "ADD", config: { ...limited, runtimeConfig }, netns });
  assertEquals(rateOf(), 1_000_000);
  plugin(sandbox, { command: "DEL", config: limited, netns });
  const zero = { ...config, runtimeConfig, ingressRate: 0 };
  assertEquals(plugin(sandbox, { command: "ADD", config: zero, netns }), prevResult);
  assertEquals(plugin(sandbox, { command: "ADD", config, netns }), prevResult);
  assertEquals(kinds(sandbox, "host0"), []);
}, { needs: ["tc"] });

kernelTest(
  "bandwidth: rates beyond 32 bits arrive undamaged, and beyond what a number holds",
  (sandbox) => {
    const netns = container(sandbox);
    const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
    // Bits per second, and the bytes that tc then says, as text: numbers would round them.
    const cases = [
      ["34359738360", "4294967295"],
      ["34359738368", "4294967296"],
      ["80000000000", "10000000000"],
      ["900719925474099300", "112589990684262412"],
      ["18446744073709551615", "2305843009213693951"],
    ] as const;
    for (const [ingressRate, bytes] of cases) {
      const fast = { ...config, ingressRate: rawJSON(ingressRate), ingressBurst: 800_000_000 };
      plugin(sandbox, { command: "ADD", config: fast, netns });
      const text = sandbox.run("tc", ["-j", "qdisc", "show", "dev", "host0"]);
      assertEquals(/"rate":(\d+)/.exec(text)?.[1], bytes);
      plugin(sandbox, { command: "CHECK", config: fast, netns });
      plugin(sandbox, { command: "DEL", config: fast, netns });
    }
  },
  { needs: ["tc"] },
);

/** The second interface's configuration. */
const second = {
  ...limited,
  prevResult: { ...prevResult, interfaces: [{ name: "host1" }, { name: "eth1", sandbox: "x" }] },
};

kernelTest("bandwidth: two interfaces of one container are limited apart", (sandbox) => {
  const netns = container(sandbox, "eth1");
  const calls = [{ config: limited, netns }, { config: second, netns, ifName: "eth1" }] as const;
  for (const [leaving, staying] of [calls, calls.toReversed()]) {
    const names = calls.map((call) =>
      plugin(sandbox, { command: "ADD", ...call }).interfaces.at(-1)
    );
    assertEquals(names[0].name, egressIfb);
    assertEquals(ifbs(sandbox), names.map(({ name }) => name).sort());
    for (const call of calls) plugin(sandbox, { command: "CHECK", ...call });
    plugin(sandbox, { command: "DEL", ...leaving! });
    assertEquals(ifbs(sandbox), [names[calls.indexOf(staying!)].name]);
    plugin(sandbox, { command: "CHECK", ...staying! });
    plugin(sandbox, { command: "DEL", ...staying! });
    assertEquals(ifbs(sandbox), []);
  }
});

kernelTest("bandwidth: DEL and GC remove what nobody uses", (sandbox) => {
  const netns = container(sandbox, "eth1");
  // The Go plugin's device: no alias says whose it is.
  sandbox.run("ip", ["link", "add", egressIfb, "type", "ifb"]);
  const { interfaces } = plugin(sandbox, { command: "ADD", config: limited, netns });
  assertEquals(interfaces.at(-1).name, ownEgress);
  plugin(sandbox, { command: "DEL", config: limited, netns: "" });
  assertEquals(ifbs(sandbox), []);

  sandbox.run("tc", ["qdisc", "del", "dev", "host0", "root"]);
  sandbox.run("tc", ["qdisc", "del", "dev", "host0", "ingress"]);
  plugin(sandbox, { command: "ADD", config: limited, netns });
  plugin(sandbox, { command: "ADD", config: second, netns, ifName: "eth1" });
  const gc = (name: string, valid: unknown[]) =>
    plugin(sandbox, {
      command: "GC",
      config: { ...config, name, prevResult: undefined, "cni.dev/valid-attachments": valid },
    });
  gc("othernet", []);
  assertEquals(ifbs(sandbox).length, 2);
  gc("net", [{ containerID: "test", ifname: "eth0" }]);
  assertEquals(ifbs(sandbox), [egressIfb]);
}, { needs: ["tc"] });

kernelTest("bandwidth: what an earlier start of the container left is replaced", (sandbox) => {
  const netns = container(sandbox, "eth1");
  const both = { ...limited, unshapedSubnets: ["10.9.0.0/16"] };
  const add = () => plugin(sandbox, { command: "ADD", config: both, netns });
  add();
  for (let start = 0; start < 2; start++) {
    sandbox.run("ip", ["link", "delete", "host0"]); // as when its namespace goes
    sandbox.run("ip", "link add host0 type veth peer name eth0 netns c1".split(" "));
    add();
    assertEquals(ifbs(sandbox), [egressIfb, ownIngress].sort());
    plugin(sandbox, { command: "CHECK", config: both, netns });
  }

  // As long as something is sent to it, it is in use.
  sandbox.run("ip", ["link", "set", "eth0", "name", "was0"], { netns });
  sandbox.run("ip", ["link", "set", "eth1", "name", "eth0"], { netns });
  const { interfaces: [, inside] } = prevResult;
  const prev = { ...prevResult, interfaces: [{ name: "host1", mac: "02:00:00:00:00:03" }, inside] };
  const moved = { ...both, prevResult: prev };
  const { code, msg } = pluginError(sandbox, { command: "ADD", config: moved, netns });
  assertEquals(code, 999);
  assertStringIncludes(msg, `has the ifb device ${ownIngress} already, to which host0 sends`);
  assertEquals(ifbs(sandbox), [egressIfb, ownIngress].sort());
}, { needs: ["tc"] });

kernelTest("bandwidth: DEL where the namespace's file stayed behind without it", (sandbox) => {
  const netns = container(sandbox);
  plugin(sandbox, { command: "ADD", config: limited, netns });
  Deno.writeTextFileSync("/run/test/file", "");
  plugin(sandbox, { command: "DEL", config: limited, netns: "/run/test/file" });
  assertEquals(ifbs(sandbox), []);
});

kernelTest("bandwidth: DEL leaves alone what has the name but is no ifb", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("ip", ["link", "add", egressIfb, "type", "bridge"]);
  plugin(sandbox, { command: "DEL", config: limited, netns });
  assertEquals(sandbox.links(), ["host0", egressIfb]);
});

kernelTest(
  "bandwidth: a peer elsewhere is not taken for the host's device of its number",
  (sandbox) => {
    const netns = container(sandbox);
    plugin(sandbox, { command: "ADD", config: limited, netns });
    const [{ ifindex: far, link_index: near }] = sandbox.ip("link show dev host0");
    // Another container, whose pair has the same two numbers but ends in a third namespace.
    const [other, third] = [sandbox.container("c2"), sandbox.container("c3")];
    const pair = `link add eth0 index ${near} type veth peer name far index ${far} netns c3`;
    sandbox.run("ip", pair.split(" "), { netns: other });
    plugin(sandbox, { command: "DEL", config: limited, netns: other, containerId: "other" });
    assertEquals(sandbox.links(third), ["far"]);
    plugin(sandbox, { command: "CHECK", config: limited, netns });
  },
);

for (const kind of ["clsact", "ingress"]) {
  kernelTest(`bandwidth: beside somebody else's ${kind} it has filters of its own`, (sandbox) => {
    const netns = container(sandbox);
    sandbox.run("tc", ["qdisc", "add", "dev", "host0", kind]);
    const theirs = `filter add dev host0 ${kind === "clsact" ? "ingress" : "parent ffff:"} prio 1`;
    const matching = "protocol ip u32 match ip dst 192.0.2.1/32 flowid 1:7";
    sandbox.run("tc", `${theirs} ${matching}`.split(" "));
    const before = tc(sandbox, "filter show dev host0 ingress");
    plugin(sandbox, { command: "ADD", config: limited, netns });
    const again = pluginError(sandbox, { command: "ADD", config: limited, netns });
    assertStringIncludes(again.msg, "host0 is limited already");
    plugin(sandbox, { command: "CHECK", config: limited, netns });
    const targets = tc(sandbox, "filter show dev host0 ingress")
      .flatMap(({ options }) => options?.actions ?? [])
      .filter(({ kind }) => kind === "mirred").map(({ to_dev }) => to_dev);
    assertEquals(targets, [egressIfb]);
    plugin(sandbox, { command: "DEL", config: limited, netns });
    assertEquals(kinds(sandbox, "host0"), [kind]);
    assertEquals(tc(sandbox, "filter show dev host0 ingress"), before);
    assertEquals(ifbs(sandbox), []);

    const excepted = { ...limited, unshapedSubnets: ["10.1.1.0/24"] };
    if (kind === "clsact") {
      plugin(sandbox, { command: "ADD", config: excepted, netns });
      plugin(sandbox, { command: "CHECK", config: excepted, netns });
      plugin(sandbox, { command: "DEL", config: excepted, netns });
    } else {
      const error = pluginError(sandbox, { command: "ADD", config: excepted, netns });
      assertStringIncludes(error.msg, "host0 has somebody else's ingress discipline");
    }
    sandbox.run("ip", ["link", "add", ownEgress!, "type", "bridge"]);
    pluginError(sandbox, { command: "ADD", config: limited, netns });
    assertEquals(kinds(sandbox, "host0"), [kind]);
    assertEquals(tc(sandbox, "filter show dev host0 ingress"), before);
  }, { needs: ["tc"] });
}

kernelTest("bandwidth: DEL without an ADD leaves somebody else's filters", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("tc", ["qdisc", "add", "dev", "host0", "ingress"]);
  const filter =
    "filter add dev host0 parent ffff: prio 1 protocol all u32 match u32 0 0 flowid 1:7";
  sandbox.run("tc", filter.split(" "));
  const before = tc(sandbox, "filter show dev host0 ingress");
  plugin(sandbox, { command: "DEL", config: limited, netns });
  assertEquals(tc(sandbox, "filter show dev host0 ingress"), before);
}, { needs: ["tc"] });

kernelTest("bandwidth: CHECK sees what is missing or changed", (sandbox) => {
  const netns = container(sandbox);
  const fails = (words: string) => {
    const error = pluginError(sandbox, { command: "CHECK", config: limited, netns });
    assertStringIncludes(error.msg, words);
  };
  plugin(sandbox, { command: "ADD", config: limited, netns });
  sandbox.run("ip", ["link", "set", egressIfb, "down"]);
  fails("is down");
  sandbox.run("ip", ["link", "set", egressIfb, "up"]);
  sandbox.run("tc", ["filter", "del", "dev", "host0", "ingress"]);
  fails("0 egress filters");
  sandbox.run("ip", ["link", "del", egressIfb]);
  fails("get ifb device");
  const change = "qdisc change dev host0 root handle 1: tbf rate 9mbit burst 20000 latency 25ms";
  sandbox.run("tc", change.split(" "));
  fails("Rate doesn't match");
  sandbox.run("tc", ["qdisc", "del", "dev", "host0", "root"]);
  fails("Failed to find qdisc");
}, { needs: ["tc"] });

kernelTest("bandwidth: a failing ADD leaves nothing behind", (sandbox) => {
  const netns = container(sandbox);
  const interfaces = prevResult.interfaces;
  const failures: [more: Record<string, unknown>, code: number, words: string][] = [
    [{ ingressBurst: 0 }, 7, 'if rate is set, burst must also be set: "ingressRate" is 8000000'],
    [{ egressRate: 0 }, 7, 'if burst is set, rate must also be set: "egressRate" is 0'],
    [{ egressBurst: 34359738360 }, 7, "burst cannot be more than 4GB"],
    [{ egressRate: 7 }, 7, "at least 8"],
    [{ egressRate: -1 }, 7, '"egressRate" is -1'],
    [{ latency: -1 }, 7, '"latency" is -1'],
    [{ shapedSubnets: ["10.0.0.0"] }, 7, "shapedSubnets[0]"],
    [{ shapedSubnets: ["::/0"], unshapedSubnets: ["::/1"] }, 7, "cannot be both specified"],
    [{ prevResult: undefined }, 7, "must be called as chained plugin"],
    [{ prevResult: { cniVersion: "1.1.0" } }, 999, "no interfaces provided"],
    [{ prevResult: { interfaces: [interfaces[1]] } }, 999, "no veth peer of container interface"],
    [{ prevResult: { interfaces: [{ name: "eth0", sandbox: "x" }] } }, 999, "it is host0"],
  ];
  for (const [more, code, words] of failures) {
    const error = pluginError(sandbox, { command: "ADD", config: { ...limited, ...more }, netns });
    assertStringIncludes(error.msg, words);
    assertEquals(error.code, code, words);
    assertEquals([kinds(sandbox, "host0"), ifbs(sandbox)], [[], []], words);
  }
  // The last step of all fails: the ifb's name is taken.
  sandbox.run("ip", ["link", "add", ownEgress!, "type", "bridge"]);
  const error = pluginError(sandbox, { command: "ADD", config: limited, netns });
  assertStringIncludes(error.msg, `create ifb interface ${ownEgress}: EEXIST`);
  assertEquals([kinds(sandbox, "host0"), sandbox.links()], [[], ["host0", ownEgress]]);
  assertEquals(
    pluginError(sandbox, { command: "STATUS", config: { ...limited, egressRate: 0 } }).code,
    50,
  );
  plugin(sandbox, { command: "STATUS", config: limited });
}, { needs: ["tc"] });

kernelTest("bandwidth: only veth pairs, and a second ADD does not disturb the first", (sandbox) => {
  const netns = container(sandbox);
  sandbox.run("ip", ["link", "add", "br0", "type", "bridge"], { netns });
  const bridge = pluginError(sandbox, { command: "ADD", config: limited, netns, ifName: "br0" });
  assertStringIncludes(bridge.msg, "br0 has no veth peer: it is a bridge");
  plugin(sandbox, { command: "ADD", config: limited, netns });
  const again = pluginError(sandbox, { command: "ADD", config: limited, netns });
  assertStringIncludes(again.msg, "host0 is limited already");
  plugin(sandbox, { command: "CHECK", config: limited, netns });
});
