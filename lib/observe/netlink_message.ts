/**
 * Netlink requests read back by name: message types and flags as the kernel's headers call them,
 * attributes as the tables of `lib/netlink` do.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { ADDRESS } from "../netlink/address.ts";
import { BRIDGE_VLANS } from "../netlink/bridge_vlan.ts";
import type { Codec } from "../netlink/codec.ts";
import { CONNECTION } from "../netlink/conntrack.ts";
import { BRIDGE_PORT_LINK, LINK } from "../netlink/link.ts";
import {
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from "../netlink/message.ts";
import { NEIGHBOUR } from "../netlink/neighbour.ts";
import { NETNS_ID } from "../netlink/netns_id.ts";
import {
  NFT_CHAIN,
  NFT_ELEMENTS,
  NFT_GEN,
  NFT_RULE,
  NFT_SET,
  NFT_TABLE,
} from "../netlink/nftables.ts";
import { ROUTE } from "../netlink/route.ts";
import { RULE } from "../netlink/rule.ts";
import { FILTER, QDISC } from "../netlink/tc.ts";
import { hex } from "./hex.ts";
import { isObject } from "../types/json.ts";
import type { ObservedRequest } from "../runtime/observer.ts";

/** A request in words. */
export interface NamedMessage {
  /** `RTM_NEWLINK` */
  name: string;
  /** Without those that every request has. */
  flags: string[];
  /** What the header and the attributes say; of the header nothing that is 0. */
  attributes: Record<string, unknown>;
}

/** A table of attributes, and the names of the message types that have them, by their numbers. */
interface Family {
  readonly table: Codec<object>;
  readonly types: Readonly<Record<number, string>>;
}

/** NEW, DEL and GET of one noun, which are numbered one after the other. `linux/rtnetlink.h` */
function verbs(noun: string, first: number, table: Codec<object>): Family {
  const types = ["NEW", "DEL", "GET"].map((verb, i) => [first + i, `RTM_${verb}${noun}`]);
  return { table, types: Object.fromEntries(types) };
}

/** NEW, GET and DEL of nf_tables. `linux/netfilter/nf_tables.h` */
function nftVerbs(noun: string, first: number, table: Codec<object>): Family {
  const types = ["NEW", "GET", "DEL"].map((
    verb,
    i,
  ) => [NFTABLES | first + i, `NFT_MSG_${verb}${noun}`]);
  return { table, types: Object.fromEntries(types) };
}

/** NFNL_SUBSYS_CTNETLINK and NFNL_SUBSYS_NFTABLES. `linux/netfilter/nfnetlink.h` */
const CTNETLINK = 1 << 8;
const NFTABLES = 10 << 8;

const FAMILIES: readonly Family[] = [
  verbs("LINK", 16, LINK),
  { table: LINK, types: { 19: "RTM_SETLINK", 108: "RTM_NEWLINKPROP", 109: "RTM_DELLINKPROP" } },
  verbs("ADDR", 20, ADDRESS),
  verbs("ROUTE", 24, ROUTE),
  verbs("NEIGH", 28, NEIGHBOUR),
  verbs("RULE", 32, RULE),
  verbs("QDISC", 36, QDISC),
  verbs("TFILTER", 44, FILTER),
  verbs("NSID", 88, NETNS_ID),
  { table: CONNECTION, types: { [CTNETLINK | 1]: "IPCTNL_MSG_CT_GET" } },
  { table: CONNECTION, types: { [CTNETLINK | 2]: "IPCTNL_MSG_CT_DELETE" } },
  nftVerbs("TABLE", 0, NFT_TABLE),
  nftVerbs("CHAIN", 3, NFT_CHAIN),
  nftVerbs("RULE", 6, NFT_RULE),
  nftVerbs("SET", 9, NFT_SET),
  nftVerbs("SETELEM", 12, NFT_ELEMENTS),
  { table: NFT_GEN, types: { [NFTABLES | 16]: "NFT_MSG_GETGEN" } },
];

/** `linux/netlink.h`; a dump's two bits are also those of a request that changes something. */
const FLAGS: readonly (readonly [bits: number, name: string])[] = [
  [NLM_F_REPLACE, "NLM_F_REPLACE"],
  [NLM_F_EXCL, "NLM_F_EXCL"],
  [NLM_F_CREATE, "NLM_F_CREATE"],
  [NLM_F_APPEND, "NLM_F_APPEND"],
];

/** Reads a request. One of a type that the tables lack has its number for a name. */
export function readMessage({ type, flags = 0, payload }: ObservedRequest): NamedMessage {
  const family = FAMILIES.find(({ types }) => types[type] !== undefined);
  const name = family?.types[type] ?? `message type ${type}`;
  return {
    name,
    flags: /GET/.test(name) ? dumpFlag(flags) : namesOf(flags),
    attributes: family ? attributesOf(tablesOf(family, payload), payload) : {},
  };
}

function dumpFlag(flags: number): string[] {
  return (flags & NLM_F_DUMP) === NLM_F_DUMP ? ["NLM_F_DUMP"] : [];
}

function namesOf(flags: number): string[] {
  return FLAGS.filter(([bits]) => (flags & bits) === bits).map(([, name]) => name);
}

/** PF_BRIDGE, `bits/socket.h`: link messages of this family have attributes of their own. */
const PF_BRIDGE = 7;

function tablesOf({ table }: Family, payload: Uint8Array): Codec<object>[] {
  const isBridge = table === LINK && payload[0] === PF_BRIDGE;
  return isBridge ? [BRIDGE_PORT_LINK, BRIDGE_VLANS] : [table];
}

function attributesOf(tables: readonly Codec<object>[], payload: Uint8Array) {
  const all: object = Object.assign({}, ...tables.map((table) => table.decode(payload)));
  // Of no bytes a table reads the header's fields alone.
  const header = tables.flatMap((table) => Object.keys(table.decode(new Uint8Array())));
  return withoutEmpty(plain(all), header);
}

/** Leaves out what a header has none of; a message inside, such as a veth's peer, has one, too. */
function withoutEmpty(value: object, header: readonly string[]): Record<string, unknown> {
  const isMessage = header.every((name) => name in value);
  const told = Object.entries(value).filter(([name, inner]) =>
    !(isMessage && inner === 0 && header.includes(name))
  );
  return Object.fromEntries(
    told.map(([name, inner]) => [name, isObject(inner) ? withoutEmpty(inner, header) : inner]),
  );
}

/** A value as JSON has it: addresses as text, bytes in hex digits. */
function plain(value: object): object;
function plain(value: unknown): unknown;
function plain(value: unknown): unknown {
  if (value instanceof IpAddress) return value.toString();
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (typeof value !== "object" || value === null) return value;
  const known = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(known.map(([name, inner]) => [name, plain(inner)]));
}
