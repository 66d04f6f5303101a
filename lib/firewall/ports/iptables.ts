/**
 * Publishing ports with iptables: the Go plugins' chains of table `nat`, rule for rule.
 *
 *     PREROUTING, OUTPUT   packets for this host     -> CNI-HOSTPORT-DNAT
 *     CNI-HOSTPORT-DNAT    a container's ports       -> CNI-DN-…, one chain per container
 *     CNI-DN-…             packets to masquerade     -> CNI-HOSTPORT-SETMARK; then DNAT, per port
 *     POSTROUTING          first                     -> CNI-HOSTPORT-MASQ, by the mark
 *
 * @module
 */
import type { PortProtocol } from "../../ip/port_protocol.ts";
import { IpAddress } from "../../ip/address.ts";
import { Cidr } from "../../ip/cidr.ts";
import { chainName } from "../../ip/hash_names.ts";
import type { Attachment } from "../../types/attachment.ts";
import { CniError } from "../../types/error.ts";
import { cutUtf8 } from "../../types/utf8.ts";
import {
  mayHaveChain,
  mayHaveRules,
  removeChain,
  restore,
  restoreDeletions,
  restoreOrMerge,
  type SavedTable,
  savedTable,
} from "../../iptables/iptables.ts";
import {
  comment,
  commentOf,
  deletion,
  insertion,
  leadsTo,
  line,
  MAX_COMMENT,
  type RuleLine,
  targetOf,
  token,
  Words,
  words,
} from "../../iptables/rule.ts";
import { listRules, targetOf as nftTargetOf } from "../../nftables/state.ts";
import { runEach } from "../backend.ts";
import {
  type Claim,
  type Forwarding,
  forwardingsOf,
  type Owner,
  type PortMapper,
  type PortMapping,
  PortTakenError,
  type Publication,
  type Published,
  type SnatOptions,
} from "./types.ts";

const DNAT = "CNI-HOSTPORT-DNAT";
const SETMARK = "CNI-HOSTPORT-SETMARK";
const MASQ = "CNI-HOSTPORT-MASQ";
const GUARD = "CNI-HOSTPORT-LOCAL";
const FAMILIES = [4, 6] as const;
/** The largest number of ports in one multiport match. */
const MAX_PORTS = 15;

/** @see PortMapper */
export const portMapperIptables: PortMapper = {
  async add(published, earlier, siblings = []) {
    const { attachment, publications } = published;
    const sharing = siblings.filter((each) => sharesChain(each.attachment, attachment));
    const others = siblings.filter((each) => !sharing.includes(each));
    const added: [4 | 6, RuleLine[]][] = [];
    for (const publication of publications) {
      const { family } = publication.address.ip;
      added.push([family, await rulesOf(published, publication, sharing, others)]);
    }
    // Nothing is added before every family was looked at: somebody may have a port of the last.
    const purpose = `publish ports of ${attachment.containerId}`;
    for (const [family, nat] of added) await restore(family, { nat }, purpose);
    if (!earlier) return;
    // A family in which nothing is published any more still has its earlier rules.
    const isLeft = (family: 4 | 6) =>
      ofFamily([earlier], family).length > 0 && ofFamily([published], family).length === 0;
    for (const family of FAMILIES.filter(isLeft)) await rebuild(family, attachment, sharing);
  },

  async addEach(all, added) {
    await runEach(all.map(({ published, siblings }, i) => async () => {
      await this.add(published, undefined, siblings);
      added(i);
    }));
  },

  async remove(attachment, noted, siblings = []) {
    const chain = chainOf(attachment);
    const sharing = siblings.filter((each) => sharesChain(each.attachment, attachment));
    if (sharing.length > 0) {
      for (const family of FAMILIES) await rebuild(family, attachment, sharing);
      return noted ? forwardingsOf(noted) : [];
    }
    const old = chainName(attachment.network, attachment.containerId, "SN-");
    const purpose = `unpublish ports of ${attachment.containerId}`;
    const removed = noted &&
      FAMILIES.every((family) =>
        [chain, old].every((name) => removeChain(family, "nat", name, purpose))
      );
    if (removed) return forwardingsOf(noted);
    return await removeChains(
      (family) => mayHaveChain(family, "nat", chain) || mayHaveChain(family, "nat", old),
      (saved) =>
        [chain, old].filter((name) => saved.chains.has(name) && !otherOwnerOf(saved, attachment)),
      purpose,
    );
  },

  async collect(network, valid) {
    const inUse = new Set(valid.map(chainOf));
    const whose = `dnat name: "${network}" id: "`;
    const unused = (saved: SavedTable) => {
      const entries = saved.rules.filter((rule) =>
        rule.startsWith(`-A ${DNAT} `) && commentOf(rule)?.startsWith(whose)
      );
      const chains = entries.flatMap((rule) => / -j (CNI-DN-\S+)$/.exec(rule)?.[1] ?? []);
      return [...new Set(chains)].filter((chain) => !inUse.has(chain));
    };
    const purpose = `unpublish unused ports of network ${network}`;
    return await removeChains((family) => mayHaveChain(family, "nat", DNAT), unused, purpose);
  },

  async missing(all) {
    const absent = all.map((): string | undefined => undefined);
    for (const family of FAMILIES) {
      const own = all.map(({ publications }) =>
        publications.find(({ address }) => address.ip.family === family)
      );
      if (own.every((publication) => !publication)) continue;
      const { rules } = await savedTable(family, "nat");
      const published = Map.groupBy(
        rules.flatMap((rule) => readDnat(rule) ?? []),
        ({ chain }) => chain,
      );
      own.forEach((publication, i) => {
        const chain = chainOf(all[i]!.attachment);
        const present = published.get(chain) ?? [];
        absent[i] ??= publication && (absentPort(publication, chain, present) ??
          absentEntry(rules, chain));
      });
    }
    return absent;
  },

  async claims() {
    const claims: Claim[] = [];
    for (const family of FAMILIES) {
      if (!mayHaveRules(family, "nat", DNAT)) continue;
      const saved = await savedTable(family, "nat");
      const found = saved.rules.flatMap((rule) => readDnat(rule) ?? []);
      claims.push(...found.map((rule) => ({ ...rule, owner: () => ownerOf(saved, rule.chain) })));
    }
    return claims;
  },

  async guardLoopback() {
    const present = listRules({ family: "ip", table: "raw" });
    const entered = present.some((rule) =>
      rule.chain === "PREROUTING" && nftTargetOf(rule) === GUARD
    );
    const entry = line`-A PREROUTING -j ${GUARD}`;
    const drops = [
      line`-A ${GUARD} -d 127.0.0.0/8 ! -i lo -j DROP`,
      line`-A ${GUARD} -s 127.0.0.0/8 ! -i lo -j DROP`,
    ];
    const count = present.filter(({ chain }) => chain === GUARD).length;
    if (entered && count >= drops.length) return;
    const merge = ({ chains, rules }: SavedTable) => [
      ...(chains.has(GUARD) ? [] : [line`-N ${GUARD}`]),
      ...[...drops, entry].filter((rule) => !rules.includes(rule)),
    ];
    const all = [line`-N ${GUARD}`, ...drops, entry];
    await restoreOrMerge(4, "raw", all, merge, "guard 127.0.0.0/8");
  },

  async unguardLoopback() {
    const purpose = "stop guarding 127.0.0.0/8";
    if (removeChain(4, "raw", GUARD, purpose)) return;
    const find = (saved: SavedTable) => saved.chains.has(GUARD) ? removal(saved, GUARD) : [];
    await restoreDeletions(4, "raw", find, purpose);
  },
};

/**
 * Makes the lines that publish ports of one family.
 * @param sharing published ports of other interfaces of the container, in the same chain
 * @param others those of its other networks
 * @throws {PortTakenError} when another container has one of the ports
 */
async function rulesOf(
  { attachment, options }: Published,
  publication: Publication,
  sharing: readonly Published[],
  others: readonly Published[],
): Promise<RuleLine[]> {
  const { family } = publication.address.ip;
  const chain = chainOf(attachment);
  const saved = await savedTable(family, "nat");
  const other = otherOwnerOf(saved, attachment);
  if (other) {
    throw CniError.internal(
      `cannot publish ports of ${attachment.containerId}: the names of ${other.text} make the ` +
        `same chain, ${chain}; rename one of the networks`,
    );
  }
  const stale = staleChains(saved, attachment, publication);
  const entries = saved.rulesIn(DNAT).filter((rule) => !stale.includes(targetOf(rule) ?? ""));
  const behind = firstEntriesOf(others, entries);
  return [
    ...missingSkeleton(saved, options),
    ...stale.flatMap((name) => removal(saved, name)),
    line`-N ${chain}`,
    ...ofFamily(sharing, family).flatMap((each) =>
      portRules(chain, each.publication, each.options)
    ),
    ...portRules(chain, publication, options),
    ...entryRules(chain, attachment, publication, behind),
    ...ofFamily(sharing, family).flatMap((each) =>
      entryRules(chain, attachment, each.publication, behind)
    ),
  ];
}

/**
 * Finds the chains to remove first: an earlier ADD's of this attachment, and those of a container
 * that had the same address before.
 * @throws {PortTakenError} when another container has one of the ports
 */
function staleChains(
  saved: SavedTable,
  attachment: Attachment,
  publication: Publication,
): string[] {
  const own = chainOf(attachment);
  const stale = new Set(saved.chains.has(own) ? [own] : []);
  for (const found of saved.rules.flatMap((rule) => readDnat(rule) ?? [])) {
    const wanted = publication.mappings.find((mapping) => samePort(found, mapping));
    if (found.chain === own || !wanted) continue;
    const owner = ownerOf(saved, found.chain);
    // The first rule forwards; the second one does once that is removed.
    if (owner.containerId === attachment.containerId) continue;
    if (!found.target.equals(publication.address.ip)) throw new PortTakenError(wanted, owner);
    stale.add(found.chain);
  }
  return [...stale];
}

/** Counts the leading entries that must stay first: those of the container's other networks. */
function firstEntriesOf(others: readonly Published[], entries: readonly RuleLine[]): number {
  const chains = others.filter(({ publications }) =>
    publications.some(({ mappings }) => mappings.some(({ hostIp }) => hostIp))
  ).map(({ attachment }) => chainOf(attachment));
  const leads = (i: number, chain: string) => entries[i] && leadsTo(entries[i], chain);
  return Math.max(
    0,
    ...chains.map((chain) => {
      let end = entries.findIndex((rule) => leadsTo(rule, chain));
      while (end >= 0 && leads(end, chain)) end++;
      return end;
    }),
  );
}

/** Rebuilds a chain with the ports of the other attachments that share it. */
async function rebuild(
  family: 4 | 6,
  attachment: Attachment,
  sharing: readonly Published[],
): Promise<void> {
  const chain = chainOf(attachment);
  if (!mayHaveChain(family, "nat", chain)) return;
  const saved = await savedTable(family, "nat");
  const left = ofFamily(sharing, family);
  const commands = [
    ...(saved.chains.has(chain) ? removal(saved, chain) : []),
    ...(left.length > 0 ? [line`-N ${chain}`] : []),
    ...left.flatMap((each) => portRules(chain, each.publication, each.options)),
    ...left.flatMap((each) => entryRules(chain, attachment, each.publication)),
  ];
  await restore(family, { nat: commands }, `unpublish ports of ${attachment.containerId}`);
}

function ofFamily(
  all: readonly Published[],
  family: 4 | 6,
): { publication: Publication; options: SnatOptions }[] {
  return all.flatMap(({ publications, options }) =>
    publications.filter(({ address }) => address.ip.family === family)
      .map((publication) => ({ publication, options }))
  );
}

/** Whether two attachments share a chain: its name does not contain the interface. */
function sharesChain(a: Attachment, b: Attachment): boolean {
  return a.network === b.network && a.containerId === b.containerId;
}

/**
 * Finds another container with the same chain name: it is a hash of network and container ID
 * concatenated, and network `a` with container `bc` has the same as `ab` with `c`.
 */
function otherOwnerOf(saved: SavedTable, attachment: Attachment): Owner | undefined {
  const chain = chainOf(attachment);
  const why = entryComment(attachment);
  const foreign = saved.rulesLeadingTo(chain).find((rule) => {
    const text = commentOf(rule);
    return text !== undefined && text.startsWith("dnat name: ") && text !== why;
  });
  return foreign && ownerOf(saved, chain);
}

/** Makes the lines for missing chains and rules that all containers share. */
function missingSkeleton(saved: SavedTable, options: SnatOptions): RuleLine[] {
  const { snat, markBit, setMarkChain } = options;
  const mark = `0x${(2 ** markBit).toString(16)}`;
  const own = snat && setMarkChain === undefined;
  const chains = own ? [SETMARK, MASQ, DNAT] : [DNAT];
  const rules = own
    ? [
      line`-A ${SETMARK} ${
        comment("CNI portfwd masquerade mark")
      } -j MARK --set-xmark ${mark}/${mark}`,
      line`-A ${MASQ} -m mark --mark ${mark}/${mark} -j MASQUERADE`,
    ]
    : [];
  const entries = ["PREROUTING", "OUTPUT"].map((from) =>
    line`-A ${from} -m addrtype --dst-type LOCAL -j ${DNAT}`
  );
  // First, because the chains of masqueraded containers accept packets that stay in their subnet.
  const first = line`-A POSTROUTING ${comment("CNI portfwd requiring masquerade")} -j ${MASQ}`;
  return [
    ...chains.filter((chain) => !saved.chains.has(chain)).map((chain) => line`-N ${chain}`),
    ...[...rules, ...entries].filter((rule) => !saved.rules.includes(rule)),
    ...(own && !saved.rules.includes(first) ? [insertion(first)] : []),
  ];
}

/** Makes the rules of a container's chain: for each port, mark packets to masquerade, then DNAT. */
function portRules(chain: string, publication: Publication, options: SnatOptions): RuleLine[] {
  const { address, mappings } = publication;
  const { family } = address.ip;
  const mark = options.setMarkChain ?? SETMARK;
  const all = String(Cidr.default(family));
  const sources = options.masqAll
    ? [all]
    : [String(address.network()), ...(family === 4 ? ["127.0.0.1/32"] : [])];
  // A port on one host address goes before the same port on every address.
  const ordered = [...mappings.filter((m) => m.hostIp), ...mappings.filter((m) => !m.hostIp)];
  return ordered.flatMap(({ protocol, hostIp, hostPort, containerPort }) => {
    const at = hostIp && words` -d ${Cidr.host(hostIp)}`;
    const match = words`${at} -p ${protocol} --dport ${hostPort}`;
    const target = family === 4 ? address.ip : `[${address.ip}]`;
    return [
      ...(options.snat ? sources : []).map((from) =>
        line`-A ${chain} -s ${from}${match} -j ${mark}`
      ),
      line`-A ${chain}${match} -j DNAT --to-destination ${target}:${containerPort}`,
    ];
  });
}

/**
 * Makes the rules that lead to a container's chain. Those with a host address come first: after one
 * for the same port on every address they would never match.
 */
function entryRules(
  chain: string,
  attachment: Attachment,
  publication: Publication,
  behind = 0,
): RuleLine[] {
  const { mappings, conditions } = publication;
  const why = comment(entryComment(attachment));
  const match = new Words(conditions.map((each) => ` ${token(each).text}`).join(""));
  const groups = Map.groupBy(
    mappings,
    ({ protocol, hostIp }) => `${protocol} ${hostIp ? "first" : "last"}`,
  );
  return [...groups].sort().flatMap(([group, list]) => {
    const [protocol, place] = group.split(" ");
    const ports = [...new Set(list.map(({ hostPort }) => hostPort))];
    const chunks = Array.from(
      { length: Math.ceil(ports.length / MAX_PORTS) },
      (_, i) => ports.slice(i * MAX_PORTS, (i + 1) * MAX_PORTS),
    );
    return chunks.map((chunk) => {
      const which = words`-p ${protocol} ${why} -m multiport --dports ${chunk.join(",")}${match}`;
      const rule = line`-A ${DNAT} ${which} -j ${chain}`;
      return place === "first" ? insertion(rule, behind) : rule;
    });
  });
}

/** The comment of the rules that lead to a container's chain, as the Go plugin writes it. */
function entryComment({ network, containerId }: Attachment): string {
  const text = `dnat name: "${network}" id: "${containerId}"`;
  const short = cutUtf8(text, MAX_COMMENT - 3);
  return cutUtf8(text, MAX_COMMENT) === text ? text : `${short}...`;
}

function absentPort(
  { address, mappings }: Publication,
  chain: string,
  present: readonly DnatRule[],
): string | undefined {
  const absent = mappings.find((mapping) =>
    !present.some((found) =>
      samePort(found, mapping) && found.to === `${address.ip} ${mapping.containerPort}`
    )
  );
  return absent &&
    `chain ${chain} of table nat has no rule for ${absent.protocol} port ${absent.hostPort}`;
}

function absentEntry(rules: readonly RuleLine[], chain: string): string | undefined {
  for (const [from, to] of [["PREROUTING", DNAT], ["OUTPUT", DNAT], [DNAT, chain]] as const) {
    const entered = rules.some((rule) => rule.startsWith(`-A ${from} `) && leadsTo(rule, to));
    if (!entered) return `chain ${from} of table nat does not lead to ${to}`;
  }
  return undefined;
}

async function removeChains(
  mayBe: (family: 4 | 6) => boolean,
  unused: (saved: SavedTable) => readonly string[],
  purpose: string,
): Promise<Forwarding[]> {
  const removed = new Map<string, Forwarding>();
  const find = (saved: SavedTable) => {
    const chains = unused(saved);
    for (const rule of chains.flatMap((chain) => saved.rulesIn(chain))) {
      const found = readDnat(rule);
      if (found) removed.set(rule, found);
    }
    return chains.flatMap((chain) => removal(saved, chain));
  };
  for (const family of FAMILIES) {
    if (mayBe(family)) await restoreDeletions(family, "nat", find, purpose);
  }
  return [...removed.values()];
}

function removal(saved: SavedTable, chain: string): RuleLine[] {
  const references = saved.rulesLeadingTo(chain);
  return [...references.map(deletion), line`-F ${chain}`, line`-X ${chain}`];
}

function chainOf({ network, containerId }: Attachment): string {
  return chainName(network, containerId, "DN-");
}

/** A rule that publishes a port. */
interface DnatRule extends Forwarding {
  chain: string;
  /** Address and port, separated by a space. */
  to: string;
}

const DNAT_RULE =
  /^-A (CNI-DN-\S+)(?: -d (\S+))? -p (tcp|udp|sctp) .*--dport (\d+) -j DNAT --to-destination (\S+)/;

function readDnat(rule: RuleLine): DnatRule | undefined {
  const [, chain, hostIp, protocol, port, to] = DNAT_RULE.exec(rule) ?? [];
  const [, bracketed, plain, toPort] = /^(?:\[(.*)\]|(.*)):(\d+)$/.exec(to ?? "") ?? [];
  if (chain === undefined) return undefined;
  const target = IpAddress.parse(bracketed ?? plain!);
  return {
    chain,
    protocol: protocol as PortProtocol,
    hostIp: hostIp === undefined ? undefined : Cidr.parse(hostIp).ip,
    hostPort: Number(port),
    target,
    to: `${target} ${toPort}`,
  };
}

function samePort(found: Forwarding, { protocol, hostIp, hostPort }: PortMapping): boolean {
  return found.protocol === protocol && found.hostPort === hostPort &&
    String(found.hostIp) === String(hostIp);
}

/** Reads the owner of a chain from the comment of the rule that jumps to it. */
function ownerOf(saved: SavedTable, chain: string): Owner {
  const [entry] = saved.rulesLeadingTo(chain);
  const [, network, id] = /name: "(.*)" id: "(.*?)"?$/.exec(entry && commentOf(entry) || "") ?? [];
  return id === undefined
    ? { text: `somebody else (chain ${chain})` }
    : { text: `container ${id} (network ${network})`, containerId: id, network };
}
