/**
 * The elements of table `inet cni_portmap`: the wanted and the present ones.
 *
 * @module
 */
import type { IpAddress } from "../../ip/address.ts";
import type { PortProtocol } from "../../ip/port_protocol.ts";
import type { Command } from "../../nftables/command.ts";
import { createElement, deleteElement, type NftMap } from "../../nftables/set.ts";
import { findElement, listElements, listSets, type NftElement } from "../../nftables/elements.ts";
import { jump, type Verdict } from "../../nftables/statement.ts";
import {
  familyOf,
  hostIpMap,
  masqueradeMap,
  portsMap,
  type PortTarget,
  sourcesChain,
  suffixOf,
  TABLE,
} from "./nftables_layout.ts";
import type { Forwarding, PortMapping, Publication, SnatOptions } from "./types.ts";

/** An element of one of the maps. */
export interface Entry {
  /** The map and the key, as `nft` writes them, which identify the element. */
  readonly text: string;
  /** The map's value, as `nft` writes it. */
  readonly value: string;
  /** The container's address. */
  readonly target: IpAddress;
  /** The port that it publishes; absent in elements for masquerading. */
  readonly forwarding?: Forwarding;
  /** The chain of sources that it jumps to. */
  readonly sources?: string;
  /** The suffix of its map; absent in elements for masquerading. */
  readonly suffix?: string;
  /** Makes the command that creates it: the error EEXIST where the key has a value. */
  create(comment: string): Command;
  remove(): Command;
  /** Finds the element with its key; undefined where there is none. */
  find(): Present | undefined;
}

/** An element that is present. */
export interface Present extends Entry {
  readonly comment?: string;
}

/** Lists the elements of a publication. */
export function entriesOf(publication: Publication, { snat, masqAll }: SnatOptions): Entry[] {
  const { address, mappings } = publication;
  const suffix = suffixOf(publication);
  const target = address.ip;
  const published = mappings.map((mapping) =>
    portEntry(suffix, mapping, [target, mapping.containerPort])
  );
  if (!snat) return published;
  const chain = jump(sourcesChain(address, masqAll));
  return [...published, entryOf(masquerading(target.family), target, chain)];
}

function portEntry(suffix: string, mapping: PortMapping, value: PortTarget): Entry {
  const { protocol, hostIp, hostPort } = mapping;
  return hostIp
    ? entryOf(hostIps(suffix), [hostIp, protocol, hostPort], value)
    : entryOf(ports(suffix), [protocol, hostPort], value);
}

/**
 * Lists the entries that have one of a publication's ports: a port at one address conflicts with
 * the same port at every address.
 * @param suffixes of the maps that are read; those of the other family are passed over
 */
export function entriesWithPortsOf(
  { address, mappings }: Publication,
  suffixes: readonly string[],
): Present[] {
  const own = suffixes.filter((suffix) => familyOf(suffix) === address.ip.family);
  return own.flatMap((suffix) => {
    const [everywhere, somewhere] = [ports(suffix), hostIps(suffix)];
    const anywhere = mappings.some(({ hostIp }) => !hostIp) ? listed(somewhere) : [];
    const found = mappings.flatMap(({ protocol, hostIp, hostPort }) => [
      findIn(everywhere, [protocol, hostPort]),
      hostIp && findIn(somewhere, [hostIp, protocol, hostPort]),
    ]);
    return [...anywhere, ...found.flatMap((entry) => entry ?? [])];
  });
}

/** Lists the suffixes that there are maps of ports for. */
export function listSuffixes(): string[] {
  return listSets(TABLE).flatMap((set) => readName(set, "ports") ?? []);
}

/** Lists all entries that there are. */
export function listEntries(): Present[] {
  return listSets(TABLE).flatMap((set) => {
    const suffix = readName(set, "ports|hostip|masquerade");
    if (suffix === undefined) return [];
    if (set.startsWith("ports")) return listed(ports(suffix));
    return set.startsWith("hostip")
      ? listed(hostIps(suffix))
      : listed(masquerading(familyOf(suffix)));
  });
}

/** Lists the entries of a suffix: what has the same conditions. */
export function listEntriesOf(suffix: string): Present[] {
  return [...listed(ports(suffix)), ...listed(hostIps(suffix))];
}

/** Reads the suffix of a map's name; undefined for other names. */
function readName(set: string, kinds: string): string | undefined {
  return new RegExp(`^(?:${kinds})([46](?:_[0-9a-f]{8})?)$`).exec(set)?.[1];
}

/** A map, and how its elements are decoded. */
interface Kind<K, V> {
  map: NftMap<K, V>;
  read(key: K, value: V): Pick<Entry, "target" | "forwarding" | "sources" | "suffix">;
}

function ports(suffix: string): Kind<readonly [PortProtocol, number], PortTarget> {
  return {
    map: portsMap(suffix),
    read: ([protocol, hostPort], [target]) => {
      return { suffix, target, forwarding: { protocol, hostPort, target } };
    },
  };
}

function hostIps(suffix: string): Kind<readonly [IpAddress, PortProtocol, number], PortTarget> {
  return {
    map: hostIpMap(suffix),
    read: ([hostIp, protocol, hostPort], [target]) => {
      return { suffix, target, forwarding: { protocol, hostIp, hostPort, target } };
    },
  };
}

function masquerading(family: 4 | 6): Kind<IpAddress, Verdict> {
  return {
    map: masqueradeMap(family),
    read: (target, { verdict }) => ({ target, sources: verdict.chain }),
  };
}

function entryOf<K, V>(kind: Kind<K, V>, key: K, value: V): Entry {
  const { map } = kind;
  return {
    ...kind.read(key, value),
    text: `${map.set} ${map.key.format(key)}`,
    value: map.value === "verdict" ? (value as Verdict).text : map.value.format(value),
    create: (comment) => createElement(map, key, value, comment),
    remove: () => deleteElement(map, key),
    find: () => findIn(kind, key),
  };
}

function presentOf<K, V>(kind: Kind<K, V>, { key, value, comment }: NftElement<K, V>): Present {
  return { ...entryOf(kind, key, value), comment };
}

function findIn<K, V>(kind: Kind<K, V>, key: K): Present | undefined {
  const element = findElement(kind.map, key);
  return element && presentOf(kind, element);
}

function listed<K, V>(kind: Kind<K, V>): Present[] {
  return listElements(kind.map).map((element) => presentOf(kind, element));
}
