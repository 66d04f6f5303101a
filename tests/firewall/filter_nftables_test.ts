import { assertEquals, fail } from "@std/assert";
import { filterNft } from "../../lib/firewall/filter/nftables.ts";
import type { FilterEntry } from "../../lib/firewall/filter/types.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { NFT_GETSETELEM } from "../../lib/netlink/nftables.ts";
import { NetlinkSocket } from "../../lib/nl/socket.ts";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest } from "../support/sandbox.ts";

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
  const dumped: number[] = [];
  const { dump } = NetlinkSocket.prototype;
  NetlinkSocket.prototype.dump = function (request) {
    dumped.push(request.type);
    return dump.call(this, request);
  };
  try {
    const neighbour = { ...B, attachment: { ...B.attachment, containerId: "b2" } };
    await filterNft.add([neighbour], () => [neighbour]); // the first on its bridge asks for others
    for (const own of [A, B, isolated]) {
      await filterNft.add([own], noteRead);
      assertEquals(await filterNft.missing([own], noteRead), [undefined]);
      const { ips, bridge, adminChain } = own;
      const gone = { ips, bridges: bridge ? [bridge] : [], zones: [], adminChains: [adminChain] };
      await filterNft.remove(gone, all);
    }
  } finally {
    NetlinkSocket.prototype.dump = dump;
  }
  assertEquals(dumped.includes(NFT_GETSETELEM), false);
});
