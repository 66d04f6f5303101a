import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  expectMasquerade,
  gcMasquerade,
  masquerade,
  unmasquerade,
} from "../../lib/firewall/masquerade/mod.ts";
import {
  MASQUERADE_BACKENDS,
  type MasqueradeBackend,
} from "../../lib/firewall/masquerade/types.ts";
import { restoreRules } from "../../lib/firewall/reload.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

const IPS = [Cidr.parse("10.5.0.2/24"), Cidr.parse("fd00:5::2/64")];
const attachment = (containerId: string, ifName = "eth0", network = "n") => ({
  network,
  containerId,
  ifName,
});
const A = attachment("a");

/** The rule sets as the programs themselves print them, without what is always there. */
function rules(sandbox: Sandbox, backend: MasqueradeBackend): string[] {
  const text = backend === "nftables"
    ? sandbox.ruleset()
    : sandbox.run("iptables-save", ["-t", "nat"]) + sandbox.run("ip6tables-save", ["-t", "nat"]);
  const rule = backend === "nftables" ? /masquerade comment/ : /^-[AN] /;
  return text.split("\n").filter((line) => rule.test(line)).map((line) => line.trim());
}

const NEEDS = { nftables: ["nft"], iptables: ["iptables", "nft"] };

// One suite for both: a backend is what passes it.
for (const backend of MASQUERADE_BACKENDS) {
  const contract = (name: string, test: (sandbox: Sandbox) => Promise<void>) =>
    kernelTest(`masquerade (${backend}): ${name}`, test, { needs: NEEDS[backend] });

  contract(
    "the outside sees the host's address, the subnet and multicast do not",
    async (sandbox) => {
      const { container, outside } = network(sandbox);
      using outer = new Server(outside, "udp", { address: "192.0.2.2", port: 5000 });
      using outer6 = new Server(outside, "udp", { address: "2001:db8::2", port: 5000 });
      using near = new Server(undefined, "udp", { address: "10.5.0.1", port: 5000 });
      const seen = () =>
        [outer, outer6, near].map((server) =>
          server.reachedBy(container, server.endpoint)?.address
        );
      assertEquals(seen(), ["10.5.0.2", "fd00:5::2", "10.5.0.2"]);
      await masquerade(backend, A, IPS);
      assertEquals(seen(), ["192.0.2.1", "2001:db8::1", "10.5.0.2"]);
      await unmasquerade(A);
      assertEquals(seen(), ["10.5.0.2", "fd00:5::2", "10.5.0.2"]);
    },
  );

  contract("removal takes what is the attachment's, and nothing else", async (sandbox) => {
    const others = [attachment("a", "eth1"), attachment("b"), attachment("a", "eth0", "m")];
    for (const [i, other] of others.entries()) {
      await masquerade(backend, other, [Cidr.parse(`10.6.${i}.2/24`)]);
    }
    const before = rules(sandbox, backend);
    await masquerade(backend, A, IPS);
    assert(rules(sandbox, backend).length > before.length);
    await unmasquerade(A);
    assertEquals(rules(sandbox, backend), before);
    for (const [i, other] of others.entries()) {
      await expectMasquerade(other, [Cidr.parse(`10.6.${i}.2/24`)]);
      await unmasquerade(other);
    }
    assertEquals(rules(sandbox, backend), []);
    await unmasquerade(A); // again, with nothing there
  });

  contract(
    "what was flushed is put back, but not for a namespace that is gone",
    async (sandbox) => {
      const [living, dead] = [sandbox.container("living"), sandbox.container("dead")];
      await masquerade(backend, A, IPS, living.path);
      const before = rules(sandbox, backend);
      await masquerade(backend, attachment("b"), [Cidr.parse("10.6.0.2/24")], dead.path);
      sandbox.run("ip", ["netns", "delete", "dead"]);
      sandbox.run("nft", ["flush", "ruleset"]);
      const restored: string[] = [];
      await restoreRules(({ attachment }) => restored.push(attachment.containerId));
      assertEquals([restored, rules(sandbox, backend)], [["a"], before]);
    },
  );

  contract("a second interface in the same subnet keeps its masquerading", async () => {
    const second = attachment("a", "eth1");
    await masquerade(backend, A, IPS);
    await masquerade(backend, second, [Cidr.parse("10.5.0.3/24")]);
    await unmasquerade(A);
    await expectMasquerade(second, [Cidr.parse("10.5.0.3/24")]);
    await assertRejects(() => expectMasquerade(A, IPS), Error, "is not masqueraded");
  });

  contract("CHECK notices a rule that is gone", async (sandbox) => {
    await assertRejects(() => expectMasquerade(A, IPS), Error, "eth0 of a is not masqueraded");
    await masquerade(backend, A, IPS);
    await expectMasquerade(A, IPS);
    await assertRejects(() => expectMasquerade(A, [Cidr.parse("10.5.0.9/24")]), Error, "10.5.0.9");
    if (backend === "nftables") {
      sandbox.run("nft", ["flush chain inet cni_plugins_masquerade postrouting"]);
    } else sandbox.run("iptables", ["-t", "nat", "-F", "POSTROUTING"]);
    const { message } = await assertRejects(() => expectMasquerade(A, IPS), Error);
    assertMatch(message, /postrouting/i);
  });

  contract("GC keeps what is valid and what is another network's", async (sandbox) => {
    const [b, other] = [attachment("b"), attachment("c", "eth0", "m")];
    const [ofA, ofB, ofC] = [IPS, [Cidr.parse("10.5.0.3/24")], [Cidr.parse("10.7.0.2/24")]];
    await masquerade(backend, b, ofB);
    await masquerade(backend, other, ofC);
    const kept = rules(sandbox, backend);
    await masquerade(backend, A, ofA);
    await gcMasquerade("n", [{ network: "n", containerId: "b", ifName: "eth0" }]);
    assertEquals(rules(sandbox, backend), kept);
    await gcMasquerade("n", []);
    await expectMasquerade(other, ofC);
    assertEquals(rules(sandbox, backend).some((rule) => rule.includes("10.5.0.3")), false);
  });

  contract("twice at the same time, and in parallel with others", async (sandbox) => {
    const many = Array.from({ length: 6 }, (_, i) => attachment(`c${i}`));
    const ip = (i: number) => [Cidr.parse(`10.5.1.${i + 1}/24`), Cidr.parse(`fd00:5::1${i}/64`)];
    await Promise.all(many.map((each, i) => masquerade(backend, each, ip(i))));
    await Promise.all(many.map((each, i) => expectMasquerade(each, ip(i))));
    await Promise.all([...many, ...many].map((each) => unmasquerade(each)));
    assertEquals(rules(sandbox, backend), []);
  });
}

kernelTest(
  "masquerade (nftables): the rules are those that nft makes of these lines",
  async (sandbox) => {
    const comment = (id: string, hash: string) =>
      `comment "917148ec47923f2e-${hash}, net: n, if: eth0, id: ${id}"`;
    const [a, b, c] = [
      comment("a", "a193fd394fc69048"),
      comment("b", "705ab526e1b0362f"),
      comment("c", "9f7877994d6abce3"),
    ];
    const attach = async () => {
      await masquerade("nftables", A, IPS);
      await masquerade("nftables", attachment("b"), [Cidr.parse("10.6.0.2/25")]);
      await masquerade("nftables", attachment("c"), [Cidr.parse("fd00:6::2/128")]);
    };
    const T = "inet cni_plugins_masquerade";
    await assertSameRuleset(
      sandbox,
      attach,
      `add table ${T} { comment "Masquerading for plugins from github.com/containernetworking/plugins"; }
add chain ${T} masq_checks { comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet"; }
add chain ${T} postrouting { type nat hook postrouting priority srcnat; }
add rule ${T} postrouting ip daddr == 224.0.0.0/4 return
add rule ${T} postrouting ip6 daddr == ff00::/8 return
add rule ${T} postrouting goto masq_checks
add rule ${T} masq_checks ip saddr == 10.5.0.2 ip daddr != 10.5.0.0/24 masquerade ${a}
add rule ${T} masq_checks ip6 saddr == fd00:5::2 ip6 daddr != fd00:5::/64 masquerade ${a}
add rule ${T} masq_checks ip saddr == 10.6.0.2 ip daddr != 10.6.0.0/25 masquerade ${b}
add rule ${T} masq_checks ip6 saddr == fd00:6::2 ip6 daddr != fd00:6::2/128 masquerade ${c}
`,
    );
  },
  { needs: ["nft"] },
);

kernelTest("masquerade: what the Go plugins made with nft is removed", async (sandbox) => {
  await masquerade("nftables", attachment("x"), IPS); // makes the skeleton
  await unmasquerade(attachment("x"));
  // As version 1.9.1 left it for network unit-test, eth0, container one.
  const comment = "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one";
  sandbox.run("nft", [
    `add rule inet cni_plugins_masquerade masq_checks ip saddr == 192.168.1.2 ` +
    `ip daddr != 192.168.1.0/24 masquerade comment "${comment}"`,
  ]);
  assert(sandbox.ruleset().includes(comment));
  await unmasquerade({ network: "unit-test", ifName: "eth0", containerId: "one" });
  assert(!sandbox.ruleset().includes(comment));
}, { needs: ["nft"] });

kernelTest("masquerade: what the Go plugins made with iptables is removed", async (sandbox) => {
  const chain = "CNI-52844ea66913230c8f98baa6"; // network brn, container x1
  const why = ["-m", "comment", "--comment", 'name: "brn" id: "x1"'];
  const iptables = (...args: string[]) => sandbox.run("iptables", ["-t", "nat", ...args]);
  const make = () => {
    iptables("-N", chain);
    iptables("-A", chain, "-d", "10.9.0.2/24", "-j", "ACCEPT", ...why);
    iptables("-A", chain, "!", "-d", "224.0.0.0/4", "-j", "MASQUERADE", ...why);
    iptables("-A", "POSTROUTING", "-s", "10.9.0.2", "-j", chain, ...why);
  };
  make();
  const x1 = { network: "brn", containerId: "x1", ifName: "eth0" };
  await expectMasquerade(x1, [Cidr.parse("10.9.0.2/24")]); // the same rules
  await unmasquerade(x1);
  assertEquals(rules(sandbox, "iptables"), []);
  make();
  await gcMasquerade("brn", [{ network: "brn", containerId: "x1", ifName: "eth0" }]);
  assertEquals(rules(sandbox, "iptables").length, 3);
  await gcMasquerade("brn", []);
  assertEquals(rules(sandbox, "iptables"), []);
}, { needs: ["iptables"] });

kernelTest("masquerade: what we made is removed the way the Go plugins do it", async (sandbox) => {
  await masquerade("iptables", { network: "brn", containerId: "x1", ifName: "eth0" }, IPS);
  const chain = "CNI-52844ea66913230c8f98baa6";
  const why = ["-m", "comment", "--comment", 'name: "brn" id: "x1"'];
  for (const [tool, ip] of [["iptables", "10.5.0.2"], ["ip6tables", "fd00:5::2"]] as const) {
    sandbox.run(tool, ["-t", "nat", "-D", "POSTROUTING", "-s", ip, "-j", chain, ...why]);
    sandbox.run(tool, ["-t", "nat", "-F", chain]);
    sandbox.run(tool, ["-t", "nat", "-X", chain]);
  }
  assertEquals(rules(sandbox, "iptables"), []);
}, { needs: ["iptables"] });

kernelTest("masquerade: iptables that is missing is named with its package", async (sandbox) => {
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", "/nowhere");
  try {
    const message = async (backend: MasqueradeBackend) =>
      (await assertRejects(() => masquerade(backend, A, IPS), Error)).message;
    assertMatch(await message("iptables"), /iptables-restore is not installed.*"iptables"/);
    await masquerade(undefined, A, IPS);
  } finally {
    Deno.env.set("PATH", path);
  }
  assertEquals(rules(sandbox, "nftables").length, IPS.length);
  Deno.env.set("PATH", "/nowhere");
  try {
    await unmasquerade(A);
  } finally {
    Deno.env.set("PATH", path);
  }
  assertEquals(rules(sandbox, "nftables"), []);
}, { needs: ["nft"] });

kernelTest(
  "masquerade: nftables takes over where only one family's iptables is there",
  async (sandbox) => {
    const path = Deno.env.get("PATH")!;
    const programs = "/run/test/programs";
    Deno.mkdirSync(programs);
    for (const name of ["iptables", "iptables-save", "iptables-restore"]) {
      Deno.symlinkSync(sandbox.run("which", [name]).trim(), `${programs}/${name}`);
    }
    Deno.env.set("PATH", programs);
    try {
      await masquerade(undefined, A, IPS);
    } finally {
      Deno.env.set("PATH", path);
    }
    assertEquals(rules(sandbox, "nftables").length, IPS.length);
    await unmasquerade(A);
    assertEquals([rules(sandbox, "nftables"), rules(sandbox, "iptables")], [[], []]);
  },
  { needs: ["nft", "iptables"] },
);

/** container 10.5.0.2 — host — outside 192.0.2.2, and the same with IPv6. */
function network(sandbox: Sandbox) {
  const [container, outside] = [sandbox.container(), sandbox.container()];
  const ip = (text: string, netns?: typeof container) =>
    sandbox.run("ip", text.split(" "), { netns });
  // A router asks for neighbours from its link-local address, which must not be tentative then.
  const withoutDad = () =>
    Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
  withoutDad();
  for (const netns of [container, outside]) netns.run(withoutDad);
  const pair = (name: string, netns: typeof container, v4: string, v6: string) => {
    ip(`link add ${name} type veth peer name eth0 netns ${netns.path.split("/").at(-1)}`);
    ip(`address add ${v4}.1/24 dev ${name}`);
    ip(`address add ${v6}::1/64 dev ${name} nodad`);
    ip(`link set ${name} up`);
    ip(`address add ${v4}.2/24 dev eth0`, netns);
    ip(`address add ${v6}::2/64 dev eth0 nodad`, netns);
    ip("link set eth0 up", netns);
    ip(`route add default via ${v4}.1`, netns);
    ip(`route add default via ${v6}::1`, netns);
  };
  pair("inner", container, "10.5.0", "fd00:5");
  pair("outer", outside, "192.0.2", "2001:db8");
  Deno.writeTextFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  Deno.writeTextFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  return { container, outside };
}
