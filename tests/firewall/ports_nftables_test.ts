import { assertEquals } from "@std/assert";
import { portMapperNft } from "../../lib/firewall/ports/nftables.ts";
import { listPortRules } from "../../lib/firewall/ports/nftables_rules.ts";
import type { Published } from "../../lib/firewall/ports/types.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { NFT_GETSETELEM } from "../../lib/netlink/nftables.ts";
import { batchesOf, dumpsOf } from "../support/netlink_use.ts";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest } from "../support/sandbox.ts";

const SNAT = { snat: true, masqAll: false, markBit: 13 };

/** `count` ports of a container, from one on. */
function published(
  id: string,
  address: string,
  from: number,
  { count = 1, options = SNAT, conditions = [] as string[] } = {},
): Published {
  return {
    attachment: { network: "n", containerId: id, ifName: "eth0" },
    publications: [{
      address: Cidr.parse(address),
      mappings: Array.from({ length: count }, (_, i) => (
        { protocol: "tcp", hostPort: from + i, containerPort: 80 }
      )),
      conditions,
    }],
    options,
  };
}

const A: Published = {
  ...published("a", "10.1.0.2/24", 8080),
  publications: [
    {
      address: Cidr.parse("10.1.0.2/24"),
      mappings: [
        { protocol: "tcp", hostPort: 8080, containerPort: 80 },
        { protocol: "udp", hostIp: IpAddress.parse("192.0.2.1"), hostPort: 53, containerPort: 53 },
      ],
      conditions: [],
    },
    {
      address: Cidr.parse("fd00::2/64"),
      mappings: [
        { protocol: "sctp", hostPort: 9, containerPort: 10 },
        { protocol: "tcp", hostIp: IpAddress.parse("fd01::1"), hostPort: 1, containerPort: 65535 },
      ],
      conditions: [],
    },
  ],
};
const B = published("b", "10.1.0.3/24", 8081, { options: { ...SNAT, masqAll: true } });
const C = published("c", "10.1.0.4/24", 8082, { options: { ...SNAT, snat: false } });
const D = published("d", "10.1.0.5/32", 80, { conditions: ["iifname", '"eth0"'] });

const own = (hash: string, id: string) =>
  `comment "917148ec47923f2e-${hash}, net: n, if: eth0, id: ${id}"`;
const [a, b, c, d] = [
  own("a193fd394fc69048", "a"),
  own("705ab526e1b0362f", "b"),
  own("9f7877994d6abce3", "c"),
  own("a3ea8c5ba7905cde", "d"),
];

/** The lines that the last version gave to `nft`. */
const LINES = `
add table inet cni_portmap { comment "Published ports, CNI plugin portmap"; }
add map inet cni_portmap masquerade4 { type ipv4_addr : verdict; }
add map inet cni_portmap masquerade6 { type ipv6_addr : verdict; }
add chain inet cni_portmap masquerading { type nat hook postrouting priority srcnat; }
add rule inet cni_portmap masquerading ct status dnat ip daddr vmap @masquerade4
add rule inet cni_portmap masquerading ct status dnat ip6 daddr vmap @masquerade6
add map inet cni_portmap ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
add map inet cni_portmap hostip4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
add chain inet cni_portmap hostports4
add rule inet cni_portmap hostports4 meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @hostip4
add rule inet cni_portmap hostports4 meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4
add chain inet cni_portmap prerouting4 { type nat hook prerouting priority -99; }
add rule inet cni_portmap prerouting4 meta nfproto ipv4  fib daddr type local jump hostports4
add chain inet cni_portmap output4 { type nat hook output priority -99; }
add rule inet cni_portmap output4 meta nfproto ipv4  fib daddr type local jump hostports4
add chain inet cni_portmap from_10.1.0.0/24
add rule inet cni_portmap from_10.1.0.0/24 ip saddr 10.1.0.0/24 masquerade
add rule inet cni_portmap from_10.1.0.0/24 ip saddr 127.0.0.0/8 masquerade
add map inet cni_portmap ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
add map inet cni_portmap hostip6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
add chain inet cni_portmap hostports6
add rule inet cni_portmap hostports6 meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @hostip6
add rule inet cni_portmap hostports6 meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ports6
add chain inet cni_portmap prerouting6 { type nat hook prerouting priority -99; }
add rule inet cni_portmap prerouting6 meta nfproto ipv6  fib daddr type local jump hostports6
add chain inet cni_portmap output6 { type nat hook output priority -99; }
add rule inet cni_portmap output6 meta nfproto ipv6  fib daddr type local jump hostports6
add chain inet cni_portmap from_fd00__/64
add rule inet cni_portmap from_fd00__/64 ip6 saddr fd00::/64 masquerade
create element inet cni_portmap ports4 { tcp . 8080 ${a} : 10.1.0.2 . 80 }
create element inet cni_portmap hostip4 { 192.0.2.1 . udp . 53 ${a} : 10.1.0.2 . 53 }
create element inet cni_portmap masquerade4 { 10.1.0.2 ${a} : jump from_10.1.0.0/24 }
create element inet cni_portmap ports6 { sctp . 9 ${a} : fd00::2 . 10 }
create element inet cni_portmap hostip6 { fd01::1 . tcp . 1 ${a} : fd00::2 . 65535 }
create element inet cni_portmap masquerade6 { fd00::2 ${a} : jump from_fd00__/64 }
add chain inet cni_portmap from_all
add rule inet cni_portmap from_all masquerade
create element inet cni_portmap ports4 { tcp . 8081 ${b} : 10.1.0.3 . 80 }
create element inet cni_portmap masquerade4 { 10.1.0.3 ${b} : jump from_all }
create element inet cni_portmap ports4 { tcp . 8082 ${c} : 10.1.0.4 . 80 }
add map inet cni_portmap ports4_27d8f7de { type inet_proto . inet_service : ipv4_addr . inet_service; }
add map inet cni_portmap hostip4_27d8f7de { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
add chain inet cni_portmap hostports4_27d8f7de
add rule inet cni_portmap hostports4_27d8f7de meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @hostip4_27d8f7de
add rule inet cni_portmap hostports4_27d8f7de meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4_27d8f7de
add chain inet cni_portmap prerouting4_27d8f7de { type nat hook prerouting priority -99; }
add rule inet cni_portmap prerouting4_27d8f7de meta nfproto ipv4 iifname "eth0" fib daddr type local jump hostports4_27d8f7de
add chain inet cni_portmap output4_27d8f7de { type nat hook output priority -99; }
add rule inet cni_portmap output4_27d8f7de meta nfproto ipv4 iifname "eth0" fib daddr type local jump hostports4_27d8f7de
add chain inet cni_portmap from_10.1.0.5/32
add rule inet cni_portmap from_10.1.0.5/32 ip saddr 10.1.0.5/32 masquerade
add rule inet cni_portmap from_10.1.0.5/32 ip saddr 127.0.0.0/8 masquerade
create element inet cni_portmap ports4_27d8f7de { tcp . 80 ${d} : 10.1.0.5 . 80 }
create element inet cni_portmap masquerade4 { 10.1.0.5 ${d} : jump from_10.1.0.5/32 }
add chain inet cni_portmap loopback { type filter hook prerouting priority raw; }
add rule inet cni_portmap loopback iifname != "lo" ip daddr 127.0.0.0/8 drop
add rule inet cni_portmap loopback iifname != "lo" ip saddr 127.0.0.0/8 drop
`;

kernelTest(
  "ports (nftables): the rules are those that nft makes of these lines",
  async (sandbox) => {
    await assertSameRuleset(sandbox, async () => {
      for (const each of [A, B, C, D]) await portMapperNft.add(each);
      await portMapperNft.guardLoopback();
    }, LINES);
  },
  { needs: ["nft"] },
);

kernelTest(
  "ports (nftables): 10,000 ports are one batch; what others have is read by no ADD, CHECK or DEL",
  async (sandbox) => {
    const many = published("many", "10.2.0.2/24", 10_000, { count: 10_000 });
    assertEquals((await batchesOf(() => portMapperNft.add(many))).length, 1);
    assertEquals(await portMapperNft.missing([many]), [undefined]);
    const before = sandbox.ruleset();
    const counts: number[] = [];
    for (const one of [A, B, C]) {
      const dumps = await dumpsOf(async () => {
        await portMapperNft.add(one);
        await portMapperNft.add(one, one); // again
        assertEquals(await portMapperNft.missing([one]), [undefined]);
        await portMapperNft.remove(one.attachment, one);
      });
      assertEquals(dumps.some(({ type }) => type === NFT_GETSETELEM), false);
      counts.push(dumps.length);
    }
    assertEquals(counts.every((count) => count < 100), true);
    await portMapperNft.remove(many.attachment, many);
    assertEquals(sandbox.ruleset().includes('comment "917'), false);
    assertEquals(before.includes("10.2.0.2 . 80"), true);
  },
  { needs: ["nft"] },
);

kernelTest(
  "ports (nftables): reload lists each map once, whoever has something in it",
  async () => {
    const all = [A, B, C];
    for (const each of all) await portMapperNft.add(each);
    const dumps = await dumpsOf(async () => {
      assertEquals(await portMapperNft.missing(all), [undefined, undefined, undefined]);
    });
    const maps = ["ports4", "hostip4", "masquerade4", "ports6", "hostip6", "masquerade6"];
    assertEquals(dumps.filter(({ type }) => type === NFT_GETSETELEM).length, maps.length);
  },
);

kernelTest("ports (nftables): the ports of every version of the Go plugin are found", (sandbox) => {
  // Version 1.5 has those of one of the host's addresses in a chain of their own.
  sandbox.run("nft", [[
    "add table ip cni_hostport",
    "add chain ip cni_hostport hostports",
    "add chain ip cni_hostport hostip_hostports",
    'add rule ip cni_hostport hostports tcp dport 8080 dnat to 10.1.0.2:80 comment "c1"',
    'add rule ip cni_hostport hostports ip daddr 192.0.2.1 udp dport 53 dnat to 10.1.0.2:54 comment "c1"',
    'add rule ip cni_hostport hostip_hostports ip daddr 192.0.2.2 sctp dport 9 dnat to 10.1.0.3:9 comment "c2"',
    'add rule ip cni_hostport hostports counter dccp dport 9 dnat to 10.1.0.3:9 comment "mine"',
    "add rule ip cni_hostport hostports tcp dport 9 dnat to 10.1.0.3:9",
    "add table ip6 cni_hostport",
    "add chain ip6 cni_hostport hostports",
    'add rule ip6 cni_hostport hostports tcp dport 80 dnat to [fd00::2]:80 comment "c1"',
  ].join("; ")]);
  const found = listPortRules().map(({ containerId, protocol, hostIp, hostPort, target }) =>
    `${containerId} ${protocol} ${hostIp ?? "*"} ${hostPort} ${target}`
  );
  assertEquals(found, [
    "c1 tcp * 8080 10.1.0.2",
    "c1 udp 192.0.2.1 53 10.1.0.2",
    "c2 sctp 192.0.2.2 9 10.1.0.3",
    "c1 tcp * 80 fd00::2",
  ]);
}, { needs: ["nft"] });
