/**
 * Publishing ports with nftables: table `inet cni_portmap`. Ports and containers are elements of
 * maps, so that neither a packet nor an ADD takes longer where many ports are published.
 *
 *     ports4, ports6            protocol . port           -> address . port
 *     hostip4, hostip6          address . protocol . port -> address . port
 *     masquerade4, masquerade6  container's address       -> the chain that says which sources
 *
 * The Go plugins' table `cni_hostport` has a rule per port and is left to them; what they
 * published is removed all the same (`portmap_nft_rules.ts`).
 *
 * @module
 */
import { type PortProtocol, PROTOCOL_NUMBERS } from "../../ip/port_protocol.ts";
import { IpAddress } from "../../ip/address.ts";
import type { Cidr } from "../../ip/cidr.ts";
import { nftHash } from "../../ip/hash_names.ts";
import { CniError } from "../../types/error.ts";
import { type Attachment, describeAttachment } from "../../types/attachment.ts";
import { attachmentComment, describeOwner, hashOf } from "../rule_comment.ts";
import { attachmentHash, networkHash } from "../../ip/hash_names.ts";
import { portsNotes } from "./notes.ts";
import { nftAddTo, nftApply, NftError } from "../../nftables/program.ts";
import { chainRemoval, deleteRawElement, nftDelete } from "../../nftables/delete.ts";
import { listRules, listTableElements, type RawElement } from "../../nftables/state.ts";
import {
  type Claim,
  expectUnclaimed,
  type Forwarding,
  type PortMapper,
  type PortMapping,
  PortTakenError,
  type Publication,
  type Published,
  type SnatOptions,
} from "./types.ts";
import { listPortRules, type PortRule, removePortRules } from "./nftables_rules.ts";

const TABLE = { family: "inet", table: "cni_portmap" } as const;
const T = `${TABLE.family} ${TABLE.table}`;
const GUARD = { ...TABLE, chain: "loopback" } as const;

/** @see PortMapper */
export const portMapperNft: PortMapper = {
  async add({ attachment, publications, options }) {
    const filled = filledChains();
    expectUnclaimed(publications, await ruleClaims());
    for (const publication of publications) expectUnconditional(publication, filled);
    const entries = publications.flatMap((publication) => entriesOf(publication, options));
    const comment = attachmentComment(attachment);
    const lines = entries.map((entry) => create(entry, comment));
    const skeleton = [SHARED, ...publications.map((each) => skeletonFor(each, options))].flat();
    const complete = publications.flatMap((each) => chainsOf(each, options))
      .every((chain) => filled.has(chain));
    const apply = (batch: readonly string[]) =>
      complete ? nftAddTo(skeleton, batch, purpose) : nftApply([...skeleton, ...batch], purpose);
    const purpose = `publish ports of ${attachment.containerId}`;
    try {
      await apply(lines);
    } catch (error) {
      if (!(error instanceof NftError && error.exists)) throw error;
      const stale = replaceable(entries, attachment);
      if (stale.length === 0) throw error;
      await apply([...stale.map(remove), ...lines]);
    }
  },

  async remove(attachment) {
    const hash = attachmentHash(attachment);
    const purpose = `unpublish ports of ${attachment.ifName} of ${attachment.containerId}`;
    return [
      ...removeElements((other) => other === hash, purpose),
      ...await removePortRules(attachment.containerId),
    ];
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async collect(network, valid) {
    const inUse = new Set(valid.map(attachmentHash));
    const gone = (hash: string) => hash.startsWith(`${networkHash(network)}-`) && !inUse.has(hash);
    return removeElements(gone, `unpublish unused ports of network ${network}`);
  },

  async missing(all) {
    const present = Map.groupBy(
      listTableElements(TABLE).flatMap((element) => readElement(element) ?? []),
      ({ comment }) => hashOf(comment),
    );
    const filled = filledChains();
    const theirs = await listPortRules();
    return all.map((published) => {
      const own = present.get(attachmentHash(published.attachment));
      return own
        ? lackingElement(published, new Set(own.map(textOf))) ?? emptyChain(published, filled)
        : lackingRule(published, theirs);
    });
  },

  async claims() {
    const elements = listTableElements(TABLE).flatMap((element) => readElement(element) ?? []);
    return [...elements.flatMap(claimOf), ...await ruleClaims()];
  },

  // deno-lint-ignore require-await -- other backends have to wait
  async unguardLoopback() {
    nftDelete(() => chainRemoval(GUARD), "stop guarding 127.0.0.0/8");
  },

  async guardLoopback() {
    if (listRules(GUARD).length > 0) return;
    await nftApply([
      `add table ${T}`,
      `add chain ${T} loopback { type filter hook prerouting priority raw; }`,
      `flush chain ${T} loopback`,
      `add rule ${T} loopback iifname != "lo" ip daddr 127.0.0.0/8 drop`,
    ], "keep 127.0.0.0/8 from the outside");
  },
};

/** The chains that have rules. Their number does not grow with the published ports. */
function filledChains(): Set<string> {
  return new Set(listRules(TABLE).map(({ chain }) => chain));
}

/** What the Go plugins have, in the form of a claim. */
async function ruleClaims(): Promise<Claim[]> {
  return (await listPortRules()).map((rule) => ({
    ...rule,
    owner: () => `container ${rule.containerId}`,
  }));
}

/**
 * Expects that no publication with other conditions has one of the ports: those are in maps of
 * their own, which are looked through only where there are any.
 * @throws {PortTakenError}
 */
function expectUnconditional(publication: Publication, filled: ReadonlySet<string>): void {
  const own = suffixOf(publication);
  const others = [...filled].filter((chain) =>
    chain.startsWith(`hostports${publication.address.ip.family}`) && chain !== `hostports${own}`
  );
  if (others.length === 0) return;
  const elements = listTableElements(TABLE).flatMap((element) => readElement(element) ?? [])
    .filter(({ set }) => set !== `ports${own}` && set !== `hostip${own}`);
  expectUnclaimed([publication], elements.flatMap(claimOf));
}

function lackingElement(
  { publications, options }: Published,
  present: ReadonlySet<string>,
): string | undefined {
  for (const { set, key, value } of publications.flatMap((each) => entriesOf(each, options))) {
    // The kernel does not list a verdict with the names of its chain.
    const wanted = set.startsWith("masquerade") ? `${set} ${key}` : `${set} ${key} : ${value}`;
    if (!present.has(wanted)) return `table ${T} lacks "${key} : ${value}" in map ${set}`;
  }
  return undefined;
}

function emptyChain(
  { publications, options }: Published,
  filled: ReadonlySet<string>,
): string | undefined {
  const empty = publications.flatMap((each) => chainsOf(each, options))
    .find((chain) => !filled.has(chain));
  return empty && `chain ${empty} of ${T} is empty`;
}

/** Where nothing is ours the Go plugins may have published it; what they masquerade is with it. */
function lackingRule(
  { attachment, publications }: Published,
  theirs: readonly PortRule[],
): string | undefined {
  for (const { address, mappings } of publications) {
    for (const { protocol, hostIp, hostPort } of mappings) {
      const found = theirs.some((rule) =>
        rule.containerId === attachment.containerId && rule.target.equals(address.ip) &&
        rule.protocol === protocol && rule.hostPort === hostPort &&
        String(rule.hostIp) === String(hostIp)
      );
      if (!found) return `table ${T} has nothing for ${protocol} port ${hostPort}`;
    }
  }
  return undefined;
}

/** What every publication needs. Repeatable: two processes may find it missing at the same time. */
const SHARED = [
  `add table ${T} { comment "Published ports, CNI plugin portmap"; }`,
  `add map ${T} masquerade4 { type ipv4_addr : verdict; }`,
  `add map ${T} masquerade6 { type ipv6_addr : verdict; }`,
  `add chain ${T} masquerading { type nat hook postrouting priority srcnat; }`,
  `flush chain ${T} masquerading`,
  `add rule ${T} masquerading ct status dnat ip daddr vmap @masquerade4`,
  `add rule ${T} masquerading ct status dnat ip6 daddr vmap @masquerade6`,
];

/** What the publications of one family share that have the same conditions and the same sources. */
function skeletonFor(publication: Publication, options: SnatOptions): string[] {
  const { address, conditions } = publication;
  const { family } = address.ip;
  const suffix = suffixOf(publication);
  const ip = family === 4 ? "ip" : "ip6";
  const entry = `meta nfproto ipv${family} ${conditions.join(" ")} fib daddr type local ` +
    `jump hostports${suffix}`;
  // One later than the usual priority: services that claim a port have been asked before
  // (CVE-2019-9946). And only what is for this host (CVE-2025-67499).
  const base = (chain: string, hook: string) => [
    `add chain ${T} ${chain} { type nat hook ${hook} priority -99; }`,
    `flush chain ${T} ${chain}`,
    `add rule ${T} ${chain} ${entry}`,
  ];
  const map = (name: string, key: string) =>
    `add map ${T} ${name}${suffix} { type ${key} : ipv${family}_addr . inet_service; }`;
  const dnat = `meta nfproto ipv${family} dnat ${ip} to`;
  return [
    map("ports", "inet_proto . inet_service"),
    map("hostip", `ipv${family}_addr . inet_proto . inet_service`),
    `add chain ${T} hostports${suffix}`,
    `flush chain ${T} hostports${suffix}`,
    `add rule ${T} hostports${suffix} ${dnat} ${ip} daddr . meta l4proto . th dport map @hostip${suffix}`,
    `add rule ${T} hostports${suffix} ${dnat} meta l4proto . th dport map @ports${suffix}`,
    ...base(`prerouting${suffix}`, "prerouting"),
    ...base(`output${suffix}`, "output"),
    ...(options.snat ? sourcesChain(address, options.masqAll) : []),
  ];
}

/** The chain that masquerades what comes from a subnet and from this host's loopback, or all. */
function sourcesChain(address: Cidr, all: boolean): string[] {
  const chain = sourcesChainName(address, all);
  const ip = address.ip.family === 4 ? "ip" : "ip6";
  const rules = all ? ["masquerade"] : [
    `${ip} saddr ${address.network()} masquerade`,
    ...(address.ip.family === 4 ? ["ip saddr 127.0.0.0/8 masquerade"] : []),
  ];
  return [
    `add chain ${T} ${chain}`,
    `flush chain ${T} ${chain}`,
    ...rules.map((rule) => `add rule ${T} ${chain} ${rule}`),
  ];
}

/** The chains with rules that a publication depends on. */
function chainsOf(publication: Publication, { snat, masqAll }: SnatOptions): string[] {
  const suffix = suffixOf(publication);
  return [
    `hostports${suffix}`,
    `prerouting${suffix}`,
    `output${suffix}`,
    "masquerading",
    ...(snat ? [sourcesChainName(publication.address, masqAll)] : []),
  ];
}

function sourcesChainName(address: Cidr, all: boolean): string {
  return all ? "from_all" : `from_${address.network()}`.replaceAll(":", "_");
}

/** `4`, `6`, or with a hash of the conditions behind: they apply to a whole set of maps. */
function suffixOf({ address, conditions }: Publication): string {
  const { family } = address.ip;
  if (conditions.length === 0) return String(family);
  return `${family}_${nftHash(conditions.join(" ")).slice(0, 8)}`;
}

/** An element of a map, as `nft` writes it. */
interface Entry {
  set: string;
  key: string;
  value: string;
  /** What asked for it; a masquerading entry has none. */
  mapping?: PortMapping;
  /** The container's address. */
  target: IpAddress;
}

function entriesOf(publication: Publication, { snat, masqAll }: SnatOptions): Entry[] {
  const { address, mappings } = publication;
  const suffix = suffixOf(publication);
  const target = address.ip;
  const ports = mappings.map((mapping): Entry => {
    const { protocol, hostIp, hostPort, containerPort } = mapping;
    const value = `${target} . ${containerPort}`;
    const port = `${protocol} . ${hostPort}`;
    return hostIp
      ? { set: `hostip${suffix}`, key: `${hostIp} . ${port}`, value, mapping, target }
      : { set: `ports${suffix}`, key: port, value, mapping, target };
  });
  if (!snat) return ports;
  const value = `jump ${sourcesChainName(address, masqAll)}`;
  return [...ports, { set: `masquerade${target.family}`, key: String(target), value, target }];
}

/** `create`, unlike `add`, fails where the key is there already. */
function create({ set, key, value }: Entry, comment: string): string {
  return `create element ${T} ${set} { ${key} comment "${comment}" : ${value} }`;
}

function remove({ set, key }: { set: string; key: string }): string {
  return `delete element ${T} ${set} { ${key} }`;
}

/**
 * The elements in the way of `entries` that may go: an earlier ADD of the same attachment left
 * them, or whoever had this very address before.
 * @throws {PortTakenError} when one may not
 */
function replaceable(entries: readonly Entry[], attachment: Attachment): Entry[] {
  const present = new Map(
    listTableElements(TABLE).flatMap((element) => {
      const read = readElement(element);
      return read ? [[`${read.set} ${read.key}`, read] as const] : [];
    }),
  );
  return entries.filter((entry) => {
    const there = present.get(`${entry.set} ${entry.key}`);
    if (!there) return false;
    const own = hashOf(there.comment) === attachmentHash(attachment) ||
      there.target.equals(entry.target);
    if (own || !entry.mapping) return true;
    throw new PortTakenError(entry.mapping, ownerOf(there.comment));
  });
}

function removeElements(gone: (hash: string) => boolean, purpose: string): Forwarding[] {
  const removed = new Map<string, Forwarding>();
  const find = () =>
    listTableElements(TABLE).flatMap((element) => {
      const hash = hashOf(element.comment);
      const read = hash && gone(hash) ? readElement(element) : undefined;
      if (!read) return [];
      if (read.forwarding) removed.set(`${read.set} ${read.key}`, read.forwarding);
      return [deleteRawElement({ ...TABLE, ...element })];
    });
  nftDelete(find, purpose);
  return [...removed.values()];
}

/** An element as it was listed, in the words it was made with. */
interface ReadElement {
  set: string;
  key: string;
  target: IpAddress;
  forwarding?: Forwarding;
  /** `address . port` */
  value?: string;
  comment?: string;
}

function readElement({ set, key, data, comment }: RawElement): ReadElement | undefined {
  const [, kind, digit] = /^(ports|hostip|masquerade)([46])/.exec(set) ?? [];
  const width = digit === "4" ? 4 : 16;
  if (kind === "masquerade") {
    const target = IpAddress.fromBytes(key.subarray(0, width));
    return { set, key: String(target), target, comment };
  }
  if (kind === undefined || !data) return undefined;
  const hostIp = kind === "hostip" ? IpAddress.fromBytes(key.subarray(0, width)) : undefined;
  const rest = hostIp ? key.subarray(width) : key;
  const protocol = protocolNamed(rest[0]!);
  const hostPort = portAt(rest, 4);
  const target = IpAddress.fromBytes(data.subarray(0, width));
  return {
    set,
    key: `${hostIp ? `${hostIp} . ` : ""}${protocol} . ${hostPort}`,
    value: `${target} . ${portAt(data, width)}`,
    target,
    comment,
    forwarding: { protocol, hostIp, hostPort, target },
  };
}

function textOf({ set, key, value }: ReadElement): string {
  return `${set} ${key}${value ? ` : ${value}` : ""}`;
}

function claimOf({ forwarding, comment }: ReadElement): Claim[] {
  return forwarding ? [{ ...forwarding, owner: () => ownerOf(comment) }] : [];
}

/** Whose an element is: by what is noted of it, since a comment has no room for long names. */
function ownerOf(comment: string | undefined): string {
  const hash = hashOf(comment);
  const noted = hash === undefined ? undefined : portsNotes().readHash(hash);
  return noted ? describeAttachment(noted.attachment) : describeOwner(comment);
}

function portAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! << 8 | bytes[offset + 1]!;
}

/** @throws {CniError} for a protocol that nobody published */
function protocolNamed(number: number): PortProtocol {
  for (const [name, known] of Object.entries(PROTOCOL_NUMBERS)) {
    if (known === number) return name as PortProtocol;
  }
  throw CniError.internal(`table ${T} has a mapping of protocol ${number}`);
}
