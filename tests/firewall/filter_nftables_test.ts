import { assert, assertEquals, fail } from "@std/assert";
import { filterNft } from "../../lib/firewall/filter/nftables.ts";
import type { FilterEntry } from "../../lib/firewall/filter/types.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { NFT_GETSETELEM } from "../../lib/netlink/nftables.ts";
import { addBridge, bridgeNetwork } from "../support/bridge_network.ts";
import { dumpsOf } from "../support/netlink_use.ts";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

function entry(id: string, ips: readonly string[], more: Partial<FilterEntry> = {}): FilterEntry {
  return {
    attachment: { network: "n", containerId: id, ifName: "eth0" },
    backend: "nftables",
    enforcer: "nftables",
    ips: ips.map((ip) => IpAddress.parse(ip)),
    adminChain: "CNI-ADMIN",
    zone: "",
    policy: "open",
    bridge: "",
    netns: { path: "/run/netns/x", dev: 1, ino: 1 },
    ...more,
  };
}

const A = entry("a", ["10.1.0.2", "fd00::2"]);
const B = entry("b", ["10.1.0.3"], { policy: "same-bridge", bridge: "br0" });
const C = entry("c", ["10.2.0.2"], { policy: "isolated", bridge: "br1", adminChain: "MINE" });

/** The lines that the last version gave to `nft`. */
const LINES = `
add table inet cni_firewall { comment "CNI plugin firewall"; }
add set inet cni_firewall containers4 { type ipv4_addr; }
add set inet cni_firewall containers6 { type ipv6_addr; }
add set inet cni_firewall bridges { type ifname; }
add set inet cni_firewall within { type ifname . ifname; }
add chain inet cni_firewall CNI-ADMIN { comment "Your own rules go here"; }
add chain inet cni_firewall isolation
add chain inet cni_firewall forward { type filter hook forward priority filter; }
add chain inet cni_firewall MINE { comment "Your own rules go here"; }
add rule inet cni_firewall isolation iifname . oifname @within return
add rule inet cni_firewall isolation iifname @bridges oifname @bridges drop
add rule inet cni_firewall forward jump isolation
add rule inet cni_firewall forward jump CNI-ADMIN
add rule inet cni_firewall forward jump MINE
add rule inet cni_firewall forward ct state established,related ip daddr @containers4 accept
add rule inet cni_firewall forward ip saddr @containers4 accept
add rule inet cni_firewall forward ct state established,related ip6 daddr @containers6 accept
add rule inet cni_firewall forward ip6 saddr @containers6 accept
add element inet cni_firewall containers4 { 10.1.0.2 comment "917148ec47923f2e-a193fd394fc69048, net: n, if: eth0, id: a" }
add element inet cni_firewall containers6 { fd00::2 comment "917148ec47923f2e-a193fd394fc69048, net: n, if: eth0, id: a" }
add element inet cni_firewall containers4 { 10.1.0.3 comment "917148ec47923f2e-705ab526e1b0362f, net: n, if: eth0, id: b" }
add element inet cni_firewall containers4 { 10.2.0.2 comment "917148ec47923f2e-9f7877994d6abce3, net: n, if: eth0, id: c" }
add element inet cni_firewall bridges { "br0" }
add element inet cni_firewall bridges { "br1" }
add element inet cni_firewall within { "br0" . "br0" }
`;

kernelTest(
  "filter (nftables): the rules are those that nft makes of these lines",
  async (sandbox) => {
    await assertSameRuleset(sandbox, async () => {
      await filterNft.add([A], () => [A]);
      await filterNft.add([B], () => [A, B]);
      await filterNft.add([C], () => [A, B, C]);
    }, LINES);
    const ips = [A, B, C].flatMap((each) => each.ips);
    await filterNft.remove({ ips, bridges: [], zones: [], adminChains: [] }, []);
    assertEquals(sandbox.ruleset(), "");
    // The same all at once, as they are put back.
    await assertSameRuleset(
      sandbox,
      () => filterNft.add([A, B, C], () => [A, B, C]),
      LINES_AT_ONCE,
    );
  },
  { needs: ["nft"] },
);

/** Chains are listed in the order in which they were made. */
const LINES_AT_ONCE = (() => {
  const lines = LINES.trim().split("\n");
  const mine = lines.findIndex((line) => line.includes("chain inet cni_firewall MINE"));
  const [chain] = lines.splice(mine, 1);
  lines.splice(lines.findIndex((line) => line.includes("CNI-ADMIN {")) + 1, 0, chain!);
  return lines.join("\n");
})();

kernelTest("filter (nftables): what others have is not read by an ADD, CHECK or DEL", async () => {
  const all = Array.from({ length: 3 }, (_, i) => entry(`c${i}`, [`10.9.0.${i}`]));
  const isolated = entry("i", ["10.9.1.1"], { policy: "isolated", bridge: "br0" });
  await filterNft.add(all, () => all);
  const noteRead = () => fail("notes of others were read");
  const dumps = await dumpsOf(async () => {
    const neighbour = { ...B, attachment: { ...B.attachment, containerId: "b2" } };
    await filterNft.add([neighbour], () => [neighbour]); // the first on its bridge asks for others
    for (const own of [A, B, isolated]) {
      await filterNft.add([own], noteRead);
      assertEquals(await filterNft.missing([own], noteRead), [undefined]);
      const { ips, bridge, adminChain } = own;
      const gone = { ips, bridges: bridge ? [bridge] : [], zones: [], adminChains: [adminChain] };
      await filterNft.remove(gone, all);
    }
  });
  assertEquals(dumps.some(({ type }) => type === NFT_GETSETELEM), false);
});

/** Lists the rules of a chain, each with its handle at the end. */
function rulesOf(sandbox: Sandbox, chain: string): string[] {
  return sandbox.run("nft", ["-a", "list", "chain", "inet", "cni_firewall", chain]).split("\n")
    .filter((line) => /# handle/.test(line) && !/chain /.test(line)).map((line) => line.trim());
}

/** Deletes the rules of a chain that `which` picks. */
function deleteRules(sandbox: Sandbox, chain: string, which: (rule: string) => boolean): void {
  for (const rule of rulesOf(sandbox, chain).filter((each) => which(withoutHandle(each)))) {
    sandbox.run("nft", [`delete rule inet cni_firewall ${chain} ${handleOf(rule)}`]);
  }
}

/** `handle N`, as commands name a rule. */
function handleOf(rule: string): string {
  return rule.slice(rule.lastIndexOf("handle"));
}

const withoutHandle = (rule: string) => rule.replace(/ # handle \d+$/, "");

const ISOLATION_RULES = [
  'iifname "first0" return',
  "iifname . oifname @within return",
  'iifname "between0" return',
  "iifname @bridges oifname @bridges drop",
  'iifname "last0" return',
];
const FORWARD_RULES = [
  'iifname "first0" drop',
  "jump isolation",
  "jump CNI-ADMIN",
  'iifname "between0" drop',
  "ct state established,related ip daddr @containers4 accept",
  "ip saddr @containers4 accept",
  "ct state established,related ip6 daddr @containers6 accept",
  "ip6 saddr @containers6 accept",
  'iifname "last0" drop',
];

/** Whether a rule is the administrator's: his interfaces are first0, between0 and last0. */
const isHis = (rule: string) => rule.includes('0"');

/** Adds {@link B}, and rules of an administrator before, between and behind the shared ones. */
async function withRulesOfHis(sandbox: Sandbox) {
  await filterNft.add([B], () => [B]);
  for (const [chain, verdict] of [["isolation", "return"], ["forward", "drop"]] as const) {
    const nft = (command: string, where = "") =>
      sandbox.run("nft", [`${command} rule inet cni_firewall ${chain} ${where}`]);
    const ours = rulesOf(sandbox, chain);
    const behind = handleOf(ours[chain === "isolation" ? 0 : 1]!);
    nft("insert", `iifname first0 ${verdict}`);
    nft("add", `${behind} iifname between0 ${verdict}`);
    nft("add", `iifname last0 ${verdict}`);
  }
  const list = (chain: string) => rulesOf(sandbox, chain).map(withoutHandle);
  assertEquals([list("isolation"), list("forward")], [ISOLATION_RULES, FORWARD_RULES]);
  return {
    list,
    /** Deletes those of our rules in both chains that `which` names. */
    remove(which: (rule: string) => boolean) {
      for (const chain of ["isolation", "forward"]) {
        deleteRules(sandbox, chain, (rule) => !isHis(rule) && which(rule));
      }
    },
  };
}

kernelTest(
  "filter (nftables): an ADD keeps an administrator's rules: new chain",
  async (sandbox) => {
    const { list } = await withRulesOfHis(sandbox);
    await filterNft.add([C], () => [B, C]);
    assertEquals(list("isolation"), ISOLATION_RULES);
    assertEquals(list("forward"), FORWARD_RULES.toSpliced(4, 0, "jump MINE"));
    assertEquals(await filterNft.missing([B, C], () => [B, C]), [undefined, undefined]);
  },
  { needs: ["nft"] },
);

kernelTest(
  "filter (nftables): an ADD keeps an administrator's rules: ours gone",
  async (sandbox) => {
    const { list, remove } = await withRulesOfHis(sandbox);
    const ours = [...ISOLATION_RULES, ...FORWARD_RULES].filter((rule) => !isHis(rule));
    const his = (rules: readonly string[]) => rules.filter(isHis);
    for (const gone of ours) {
      remove((rule) => rule === gone);
      const [lack] = await filterNft.missing([B], () => [B]);
      assertEquals(lack, "chains forward and isolation of inet cni_firewall lack rules", gone);
      await filterNft.add([B], () => [B]);
      const chains = [list("isolation"), list("forward")] as const;
      assertEquals(chains.map(his), [ISOLATION_RULES, FORWARD_RULES].map(his), gone);
      assertEquals(
        chains.flatMap((rules) => rules.filter((rule) => !isHis(rule))).sort(),
        [...ours].sort(),
      );
      assertEquals(await filterNft.missing([B], () => [B]), [undefined], gone);
      const at = (rule: string) => list("forward").indexOf(rule);
      for (const accept of FORWARD_RULES.filter((rule) => rule.endsWith("accept"))) {
        assert(at(accept) > at("jump CNI-ADMIN") && at(accept) < at('iifname "last0" drop'), gone);
      }
      assert(at("jump isolation") < at("jump CNI-ADMIN"), gone);
      assertEquals(chains[0].filter((rule) => !isHis(rule)), ours.slice(0, 2));
    }
    remove(() => true);
    await filterNft.add([B], () => [B]);
    for (
      const [chain, rules] of [["isolation", ISOLATION_RULES], ["forward", FORWARD_RULES]] as const
    ) {
      assertEquals(list(chain), [...his(rules), ...rules.filter((rule) => !isHis(rule))]);
    }
  },
  { needs: ["nft"] },
);

kernelTest(
  "filter (nftables): an ADD mends its own rules' order, not a rule of his that is alike",
  async (sandbox) => {
    const { list } = await withRulesOfHis(sandbox);
    deleteRules(sandbox, "forward", (rule) => rule === "jump isolation");
    const add = (rule: string) =>
      sandbox.run("nft", [`add rule inet cni_firewall forward ${rule}`]);
    add("jump isolation");
    await filterNft.add([B], () => [B]);
    assertEquals(list("forward"), FORWARD_RULES);
    const his = ["jump CNI-ADMIN", 'jump isolation comment "mine"'];
    his.forEach(add);
    await filterNft.add([C], () => [B, C]);
    assertEquals(list("forward"), [...FORWARD_RULES.toSpliced(4, 0, "jump MINE"), ...his]);
    deleteRules(sandbox, "forward", (rule) => rule === "jump isolation");
    assert(await filterNft.missing([B], () => [B, C]).then(([lack]) => lack));
  },
  { needs: ["nft"] },
);

kernelTest("filter (nftables): packets pass or are kept apart after a repair", async (sandbox) => {
  const { containers: [one], outside } = bridgeNetwork(sandbox, 1);
  const [other] = addBridge(sandbox, 6, 1);
  assert(one && other);
  const policy = { policy: "same-bridge" } as const;
  const first = entry("one", [one.ipv4, one.ipv6], { ...policy, bridge: "br0" });
  const second = entry("other", [other.ipv4, other.ipv6], { ...policy, bridge: "br1" });
  const renamed = { ...second, adminChain: "MINE" };
  await filterNft.add([first, second], () => [first, second]);
  sandbox.run("nft", ["add rule inet cni_firewall forward meta l4proto tcp drop"]);
  for (const address of [one.ipv4, one.ipv6]) {
    const outer = address === one.ipv4 ? "192.0.2.2" : "2001:db8::2";
    using kept = new Server(one.netns, "tcp", { address, port: 80 });
    using open = new Server(outside, "tcp", { address: outer, port: 80 });
    const expectWorking = (what: string) => {
      assert(open.reachedBy(one.netns, open.endpoint), `${what}: ${outer} is reached`);
      assert(kept.missedBy(other.netns, kept.endpoint), `${what}: bridges are kept apart`);
    };
    expectWorking("at first");
    for (const [chain, rule] of [["forward", "jump isolation"], ["isolation", "drop"]] as const) {
      deleteRules(sandbox, chain, (each) => each.includes(rule));
      assert(!kept.missedBy(other.netns, kept.endpoint), `without "${rule}" they are not`);
      await filterNft.add([second], () => [first, second]);
      expectWorking(`with "${rule}" again`);
    }
    deleteRules(sandbox, "forward", (rule) => rule.includes("accept"));
    assert(open.missedBy(one.netns, open.endpoint), "his rule drops what nothing accepts");
    await filterNft.add([second], () => [first, second]);
    expectWorking("with the accepting rules again");
    await filterNft.add([renamed], () => [first, renamed]);
    expectWorking("with a new administrator's chain");
  }
}, { needs: ["nft"] });
