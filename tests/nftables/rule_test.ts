import { applyBatch } from "../../lib/nftables/batch.ts";
import { addChain, createChain, type NftChain } from "../../lib/nftables/chain.ts";
import {
  concatenated,
  ifname,
  inet_proto,
  inet_service,
  ipv4_addr,
  ipv6_addr,
} from "../../lib/nftables/data_types.ts";
import { concat, ct, ether, fib, ip, ip6, meta, th } from "../../lib/nftables/field.ts";
import { addRule } from "../../lib/nftables/new_rule.ts";
import {
  addElement,
  addSet,
  createElement,
  type NftMap,
  type NftSet,
} from "../../lib/nftables/set.ts";
import {
  accept,
  dnat,
  drop,
  goto,
  jump,
  masquerade,
  return_,
  type Statement,
  type Verdict,
} from "../../lib/nftables/statement.ts";
import { addTable } from "../../lib/nftables/table.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { IpAddress } from "../../lib/ip/address.ts";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest } from "../support/sandbox.ts";

const TABLE = { family: "inet", table: "t" } as const;
const BRIDGE = { family: "bridge", table: "nat" } as const;
const chain = (name: string): NftChain => ({ ...TABLE, chain: name });
const A4 = IpAddress.parse("10.1.0.2");
const A6 = IpAddress.parse("fd00::2");

const names: NftSet<string> = { ...TABLE, set: "names", key: ifname };
const pairs: NftSet<readonly [string, string]> = {
  ...TABLE,
  set: "pairs",
  key: concatenated(ifname, ifname),
};
const v4: NftSet<IpAddress> = { ...TABLE, set: "v4", key: ipv4_addr };
const v6: NftSet<IpAddress> = { ...TABLE, set: "v6", key: ipv6_addr };
const ports: NftMap<readonly ["tcp" | "udp" | "sctp", number], readonly [IpAddress, number]> = {
  ...TABLE,
  set: "ports",
  key: concatenated(inet_proto, inet_service),
  value: concatenated(ipv4_addr, inet_service),
};
const hosts: NftMap<
  readonly [IpAddress, "tcp" | "udp" | "sctp", number],
  readonly [IpAddress, number]
> = {
  ...TABLE,
  set: "hosts",
  key: concatenated(ipv6_addr, inet_proto, inet_service),
  value: concatenated(ipv6_addr, inet_service),
};
const verdicts: NftMap<IpAddress, Verdict> = {
  ...TABLE,
  set: "verdicts",
  key: ipv4_addr,
  value: "verdict",
};

/** Every statement that there is, beside the words that `nft` has for it. */
const RULES: readonly (readonly [statements: readonly Statement[], text: string])[] = [
  [[ip.saddr.is(A4), masquerade], "ip saddr 10.1.0.2 masquerade"],
  [[ip.daddr.isNot(A4), drop], "ip daddr != 10.1.0.2 drop"],
  [
    [ip6.saddr.is(A6), ip6.daddr.isNot(A6), accept],
    "ip6 saddr fd00::2 ip6 daddr != fd00::2 accept",
  ],
  [
    [ct.state.has("established", "related"), ip.daddr.in(v4), accept],
    "ct state established,related ip daddr @v4 accept",
  ],
  [[ip6.saddr.in(v6), return_], "ip6 saddr @v6 return"],
  [[meta.iifname.in(names), meta.oifname.in(names), drop], "iifname @names oifname @names drop"],
  [[concat(meta.iifname, meta.oifname).in(pairs), return_], "iifname . oifname @pairs return"],
  [[meta.iifname.isNot("lo"), goto("other")], 'iifname != "lo" goto other'],
  [[ct.status.has("dnat"), ip.daddr.vmap(verdicts)], "ct status dnat ip daddr vmap @verdicts"],
  [
    [meta.nfproto.is("ipv4"), fib.daddrType.is("local"), jump("other")],
    "meta nfproto ipv4 fib daddr type local jump other",
  ],
  [
    [meta.nfproto.is("ipv4"), dnat("ip", concat(meta.l4proto, th.dport).map(ports))],
    "meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports",
  ],
  [
    [meta.nfproto.is("ipv6"), dnat("ip6", concat(ip6.daddr, meta.l4proto, th.dport).map(hosts))],
    "meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @hosts",
  ],
  [[meta.l4proto.is("sctp"), th.dport.is(80), accept], "meta l4proto sctp th dport 80 accept"],
];

kernelTest("every statement is the one that nft makes of its words", async (sandbox) => {
  const own = chain("own");
  const networks = [
    ..."0 1 7 8 15 16 23 24 25 31 32".split(" ").map((n) => `10.129.131.133/${n}`),
    ..."0 1 8 63 64 65 120 127 128".split(" ").map((n) => `fd81:8385:8789:8b8d::9193/${n}`),
  ]
    .map((text) => Cidr.parse(text));
  const nets = networks.flatMap((network): typeof RULES => {
    const [name, field] = network.ip.family === 4 ? ["ip", ip] as const : ["ip6", ip6] as const;
    return [
      [[field.saddr.isIn(network), accept], `${name} saddr ${network.network()} accept`],
      [[field.daddr.isNotIn(network), accept], `${name} daddr != ${network.network()} accept`],
    ];
  });
  const rules = [...RULES, ...nets];
  const comment = `what follows an "é" is cut`.replaceAll('"', "").padEnd(127, "-");
  await assertSameRuleset(
    sandbox,
    () =>
      applyBatch([
        addTable(TABLE, "a table's comment"),
        ...[names, pairs, v4, v6, ports, hosts, verdicts].map(addSet),
        addChain(chain("other")),
        addChain(own, { comment: "a chain's" }),
        addChain(chain("late"), { type: "nat", hook: "postrouting", priority: 100 }),
        addChain(chain("early"), { type: "filter", hook: "prerouting", priority: -300 }),
        ...rules.map(([statements]) => addRule(own, statements, comment)),
        addTable(BRIDGE),
        createChain({ ...BRIDGE, chain: "c" }),
        addRule({ ...BRIDGE, chain: "c" }, [ether.saddr.is("0a:58:0a:01:00:02"), return_]),
        addElement(names, "br0"),
        addElement(pairs, ["br0", "abcdefghijklmno"], "both"),
        addElement(v4, A4, comment),
        addElement(v6, A6),
        createElement(ports, ["tcp", 8080], [A4, 80], comment),
        createElement(ports, ["udp", 53], [A4, 65535]),
        createElement(hosts, [A6, "sctp", 1], [A6, 2], "x"),
        createElement(verdicts, A4, jump("other"), "x"),
      ], "make everything"),
    `
    add table inet t { comment "a table's comment"; }
    add set inet t names { type ifname; }
    add set inet t pairs { type ifname . ifname; }
    add set inet t v4 { type ipv4_addr; }
    add set inet t v6 { type ipv6_addr; }
    add map inet t ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
    add map inet t hosts { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
    add map inet t verdicts { type ipv4_addr : verdict; }
    add chain inet t other
    add chain inet t own { comment "a chain's"; }
    add chain inet t late { type nat hook postrouting priority srcnat; }
    add chain inet t early { type filter hook prerouting priority raw; }
    ${rules.map(([, text]) => `add rule inet t own ${text} comment "${comment}"`).join("\n")}
    add table bridge nat
    create chain bridge nat c
    add rule bridge nat c ether saddr 0a:58:0a:01:00:02 return
    add element inet t names { "br0" }
    add element inet t pairs { "br0" . "abcdefghijklmno" comment "both" }
    add element inet t v4 { 10.1.0.2 comment "${comment}" }
    add element inet t v6 { fd00::2 }
    create element inet t ports { tcp . 8080 comment "${comment}" : 10.1.0.2 . 80 }
    create element inet t ports { udp . 53 : 10.1.0.2 . 65535 }
    create element inet t hosts { fd00::2 . sctp . 1 comment "x" : fd00::2 . 2 }
    create element inet t verdicts { 10.1.0.2 comment "x" : jump other }
    `,
  );
}, { needs: ["nft"] });
