/**
 * The layout of table `inet cni_portmap`, which has the published ports.
 *
 *     ports4, ports6            protocol . port           -> address . port
 *     hostip4, hostip6          address . protocol . port -> address . port
 *     masquerade4, masquerade6  container's address       -> the chain that matches sources
 *
 * Publications with conditions have maps and chains of their own: `ports4_` and a hash of the
 * conditions. The chains of sources are named after the subnet, `from_10.1.0.0/24`.
 *
 * @module
 */
import { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { nftHash } from "../../ip/hash_names.ts";
import type { PortProtocol } from "../../ip/port_protocol.ts";
import { addChain, flushChain, type Hook, type NftChain, PRIORITY } from "../../nftables/chain.ts";
import type { Command } from "../../nftables/command.ts";
import {
  concatenated,
  inet_proto,
  inet_service,
  ipv4_addr,
  ipv6_addr,
} from "../../nftables/data_types.ts";
import { concat, ct, fib, ip, ip6, meta, th } from "../../nftables/field.ts";
import { addRule } from "../../nftables/new_rule.ts";
import { addSet, type NftMap } from "../../nftables/set.ts";
import {
  dnat,
  drop,
  jump,
  masquerade,
  type Statement,
  type Verdict,
} from "../../nftables/statement.ts";
import { addTable } from "../../nftables/table.ts";
import { PORTS_TABLE } from "../nftables_tables.ts";
import type { Publication, SnatOptions } from "./types.ts";

/** The table. */
export const TABLE = PORTS_TABLE;
/** The table, as `nft` names it. */
export const T = `${TABLE.family} ${TABLE.table}`;

const ADDRESS = { 4: ipv4_addr, 6: ipv6_addr } as const;
const HEADER = { 4: ip, 6: ip6 } as const;
const PROTOCOL = { 4: "ip", 6: "ip6" } as const;
const NFPROTO = { 4: meta.nfproto.is("ipv4"), 6: meta.nfproto.is("ipv6") } as const;

/** A container's address and port. */
export type PortTarget = readonly [IpAddress, number];

/** Reads the family of a suffix, which names of maps and chains end in. */
export function familyOf(suffix: string): 4 | 6 {
  return suffix.startsWith("4") ? 4 : 6;
}

/**
 * Makes a publication's suffix: `4` or `6`, and a hash of its conditions, which apply to a whole
 * map.
 */
export function suffixOf({ address, conditions }: Publication): string {
  const { family } = address.ip;
  if (conditions.length === 0) return String(family);
  return `${family}_${nftHash(conditions.join(" ")).slice(0, 8)}`;
}

/** Whether a suffix stands for conditions. */
export function isConditional(suffix: string): boolean {
  return suffix.includes("_");
}

/** Ports of all of the host's addresses. */
export function portsMap(suffix: string): NftMap<readonly [PortProtocol, number], PortTarget> {
  return {
    ...TABLE,
    set: `ports${suffix}`,
    key: concatenated(inet_proto, inet_service),
    value: concatenated(ADDRESS[familyOf(suffix)], inet_service),
  };
}

/** Ports of one of the host's addresses. */
export function hostIpMap(
  suffix: string,
): NftMap<readonly [IpAddress, PortProtocol, number], PortTarget> {
  const address = ADDRESS[familyOf(suffix)];
  return {
    ...TABLE,
    set: `hostip${suffix}`,
    key: concatenated(address, inet_proto, inet_service),
    value: concatenated(address, inet_service),
  };
}

/** Containers to which connections are masqueraded. */
export function masqueradeMap(family: 4 | 6): NftMap<IpAddress, Verdict> {
  return { ...TABLE, set: `masquerade${family}`, key: ADDRESS[family], value: "verdict" };
}

/** A chain of the table. */
export function chainNamed(chain: string): NftChain {
  return { ...TABLE, chain };
}

/** A chain with its rules, and the objects that these refer to. */
export interface Part {
  readonly chain: NftChain;
  /** The number of its rules. */
  readonly size: number;
  /** Defines it; called only where it is missing. */
  define(): {
    readonly hook?: Hook;
    /** Commands for the objects that its rules refer to. */
    readonly before?: readonly Command[];
    readonly rules: readonly (readonly Statement[])[];
  };
  /** A rule in nft's language that it has instead, which only `nft` can add. */
  readonly foreignRule?: string;
}

/** Makes the commands for a part of which `present` rules exist. */
export function make({ chain, define }: Part, present: number): Command[] {
  const { hook, before = [], rules } = define();
  return [
    ...before,
    addChain(chain, hook),
    // Flushing an empty chain would have the kernel wait for a grace period.
    ...(present > 0 ? [flushChain(chain)] : []),
    ...rules.map((statements) => addRule(chain, statements)),
  ];
}

/** Lists the parts of a publication, each after those it refers to. */
export function partsFor(
  publication: Publication,
  { snat, masqAll }: Pick<SnatOptions, "snat" | "masqAll">,
): Part[] {
  const suffix = suffixOf(publication);
  return [
    MASQUERADING,
    forwardingPart(suffix),
    ...(["prerouting", "output"] as const).map((hook) =>
      entryPart(hook, suffix, publication.conditions)
    ),
    ...(snat ? [sourcesPart(publication.address, masqAll)] : []),
  ];
}

/** The part that all publications share: masquerading. */
const MASQUERADING: Part = {
  chain: chainNamed("masquerading"),
  size: 2,
  define: () => ({
    hook: { type: "nat", hook: "postrouting", priority: PRIORITY.srcnat },
    before: [
      addTable(TABLE, "Published ports, CNI plugin portmap"),
      addSet(masqueradeMap(4)),
      addSet(masqueradeMap(6)),
    ],
    rules: [
      [ct.status.has("dnat"), ip.daddr.vmap(masqueradeMap(4))],
      [ct.status.has("dnat"), ip6.daddr.vmap(masqueradeMap(6))],
    ],
  }),
};

/** The chain that looks a port up: first with the packet's destination address. */
function forwardingPart(suffix: string): Part {
  const family = familyOf(suffix);
  const [ports, hostIps] = [portsMap(suffix), hostIpMap(suffix)];
  const hostIp = concat(HEADER[family].daddr, meta.l4proto, th.dport);
  const port = concat(meta.l4proto, th.dport);
  return {
    chain: chainNamed(`hostports${suffix}`),
    size: 2,
    define: () => ({
      before: [addSet(ports), addSet(hostIps)],
      rules: [
        [NFPROTO[family], dnat(PROTOCOL[family], hostIp.map(hostIps))],
        [NFPROTO[family], dnat(PROTOCOL[family], port.map(ports))],
      ],
    }),
  };
}

/** A base chain for packets to this host. */
function entryPart(
  hook: "prerouting" | "output",
  suffix: string,
  conditions: readonly string[],
): Part {
  const isFree = conditions.length === 0;
  const rule = [
    NFPROTO[familyOf(suffix)],
    fib.daddrType.is("local"), // only what is for this host: CVE-2025-67499
    jump(`hostports${suffix}`),
  ];
  const [protocol, ...rest] = rule.map(({ text }) => text);
  return {
    chain: chainNamed(`${hook}${suffix}`),
    size: 1,
    define: () => ({
      // One later than the usual priority: the rules of services that claim a port come before
      // (CVE-2019-9946).
      hook: { type: "nat", hook, priority: PRIORITY.dstnat + 1 },
      rules: isFree ? [rule] : [],
    }),
    ...(isFree ? {} : { foreignRule: [protocol, ...conditions, ...rest].join(" ") }),
  };
}

/** The name of the chain that matches the sources to masquerade. */
export function sourcesChain(address: Cidr, masqAll: boolean): string {
  return masqAll ? "from_all" : `from_${address.network()}`.replaceAll(":", "_");
}

/** Whether a chain is one that matches sources to masquerade. */
export function isSourcesChain(chain: string): boolean {
  return chain.startsWith("from_");
}

/** The chain that masquerades packets from a subnet and from 127.0.0.0/8, or all. */
function sourcesPart(address: Cidr, masqAll: boolean): Part {
  const { saddr } = HEADER[address.ip.family];
  const networks = address.ip.family === 4
    ? [address.network(), Cidr.parse("127.0.0.0/8")]
    : [address.network()];
  return {
    chain: chainNamed(sourcesChain(address, masqAll)),
    size: masqAll ? 1 : networks.length,
    define: () => ({
      rules: masqAll
        ? [[masquerade]]
        : networks.map((network) => [saddr.isIn(network), masquerade]),
    }),
  };
}

/** Drops packets to or from 127.0.0.0/8 that arrive on another interface than lo. */
export const GUARD: Part = {
  chain: chainNamed("loopback"),
  size: 2,
  define: () => ({
    hook: { type: "filter", hook: "prerouting", priority: PRIORITY.raw },
    before: [addTable(TABLE)],
    rules: [ip.daddr, ip.saddr].map((address) => [
      meta.iifname.isNot("lo"),
      address.isIn(Cidr.parse("127.0.0.0/8")),
      drop,
    ]),
  }),
};
