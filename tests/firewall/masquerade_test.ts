import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  expectMasquerade,
  gcMasquerade,
  masquerade,
  unmasquerade,
} from "../../lib/firewall/masquerade/mod.ts";
import { masqueradeIptables } from "../../lib/firewall/masquerade/iptables.ts";
import { masqueradeNft } from "../../lib/firewall/masquerade/nftables.ts";
import {
  MASQUERADE_BACKENDS,
  type MasqueradeBackend,
} from "../../lib/firewall/masquerade/types.ts";
import { restoreRules } from "../../lib/firewall/reload.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { type MasqueraderFixture, testMasquerader } from "../contract/masquerade.ts";
import { attachment } from "../support/attachment.ts";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const IPS = [Cidr.parse("10.5.0.2/24"), Cidr.parse("fd00:5::2/64")];
const A = attachment("a");

const FIXTURES: Readonly<Record<MasqueradeBackend, MasqueraderFixture>> = {
  iptables: {
    masquerader: masqueradeIptables,
    needs: ["iptables", "nft"],
    rules: (sandbox) =>
      linesOf(
        sandbox.run("iptables-save", ["-t", "nat"]) + sandbox.run("ip6tables-save", ["-t", "nat"]),
        /^-[AN] /,
      ),
    flushPostrouting: (sandbox) => sandbox.run("iptables", ["-t", "nat", "-F", "POSTROUTING"]),
  },
  nftables: {
    masquerader: masqueradeNft,
    needs: ["nft"],
    rules: (sandbox) => linesOf(sandbox.ruleset(), /masquerade comment/),
    flushPostrouting: (sandbox) =>
      sandbox.run("nft", ["flush chain inet cni_plugins_masquerade postrouting"]),
  },
};

function linesOf(text: string, pattern: RegExp): string[] {
  return text.split("\n").filter((line) => pattern.test(line)).map((line) => line.trim());
}

function rules(sandbox: Sandbox, backend: MasqueradeBackend): string[] {
  return FIXTURES[backend].rules(sandbox);
}

for (const backend of MASQUERADE_BACKENDS) {
  testMasquerader(backend, FIXTURES[backend]);

  // What is noted of the rules, whatever they are made with.
  const test = (name: string, run: (sandbox: Sandbox) => Promise<void>) =>
    kernelTest(`masquerade (${backend}): ${name}`, run, { needs: FIXTURES[backend].needs });

  test(
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

  test("CHECK notices a rule that is gone", async (sandbox) => {
    await assertRejects(() => expectMasquerade(A, IPS), Error, "eth0 of a is not masqueraded");
    await masquerade(backend, A, IPS);
    await expectMasquerade(A, IPS);
    await assertRejects(() => expectMasquerade(A, [Cidr.parse("10.5.0.9/24")]), Error, "10.5.0.9");
    FIXTURES[backend].flushPostrouting(sandbox);
    const { message } = await assertRejects(() => expectMasquerade(A, IPS), Error);
    assertMatch(message, /postrouting/i);
  });

  test("GC keeps what is valid and what is another network's", async (sandbox) => {
    const [b, other] = [attachment("b"), attachment("c", "eth0", "m")];
    const [ofA, ofB, ofC] = [IPS, [Cidr.parse("10.5.0.3/24")], [Cidr.parse("10.7.0.2/24")]];
    await masquerade(backend, b, ofB);
    await masquerade(backend, other, ofC);
    await masquerade(backend, A, ofA);
    await gcMasquerade("n", [b]);
    await expectMasquerade(b, ofB);
    await expectMasquerade(other, ofC);
    await assertRejects(() => expectMasquerade(A, ofA), Error, "is not masqueraded");
    await gcMasquerade("n", []);
    await expectMasquerade(other, ofC);
    await assertRejects(() => expectMasquerade(b, ofB), Error, "is not masqueraded");
    assertEquals(rules(sandbox, backend).some((rule) => rule.includes("10.5.0.3")), false);
  });

  test("twice at the same time, and in parallel with others", async (sandbox) => {
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
