/**
 * Names the parts of netlink requests: message types and flags as the kernel's headers do,
 * attributes as the tables of `lib/netlink` do.
 *
 * @module
 */
import { type ObservedRequest, writtenFrom } from "../runtime/observer.ts";
import { hexOf } from "../runtime/hex.ts";

/** A request whose parts have names. */
export interface NamedMessage {
  /** `RTM_NEWLINK` */
  name: string;
  /** Its flags, without those that every request has. */
  flags: string[];
  /** Its attributes, and the fields of its header. */
  attributes: Record<string, unknown>;
}

/** NEW, DEL and GET of one noun, which are numbered one after the other. `linux/rtnetlink.h` */
const RTNETLINK = Object.entries({
  LINK: 16,
  ADDR: 20,
  ROUTE: 24,
  NEIGH: 28,
  RULE: 32,
  QDISC: 36,
  TFILTER: 44,
  NSID: 88,
  LINKPROP: 108,
}).flatMap(([noun, first]) =>
  ["NEW", "DEL", "GET"].map((verb, i) => [first + i, `RTM_${verb}${noun}`] as const)
);

/** NFNL_SUBSYS_CTNETLINK and NFNL_SUBSYS_NFTABLES. `linux/netfilter/nfnetlink.h` */
const CTNETLINK = 1 << 8;
const NFTABLES = 10 << 8;

/** NEW, GET and DEL of one noun. `linux/netfilter/nf_tables.h` */
const NF_TABLES = ["TABLE", "CHAIN", "RULE", "SET", "SETELEM"].flatMap((noun, index) =>
  ["NEW", "GET", "DEL"].map((verb, i) =>
    [NFTABLES | 3 * index + i, `NFT_MSG_${verb}${noun}`] as const
  )
);

/** The names of message types by their numbers. */
const TYPES: ReadonlyMap<number, string> = new Map([
  ...RTNETLINK,
  [19, "RTM_SETLINK"],
  ...NF_TABLES,
  [NFTABLES | 16, "NFT_MSG_GETGEN"],
  [CTNETLINK | 1, "IPCTNL_MSG_CT_GET"],
  [CTNETLINK | 2, "IPCTNL_MSG_CT_DELETE"],
]);

/** The flags of requests that change something. `linux/netlink.h` */
const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0x100, "NLM_F_REPLACE"],
  [0x200, "NLM_F_EXCL"],
  [0x400, "NLM_F_CREATE"],
  [0x800, "NLM_F_APPEND"],
];
/**
 * The flag of a GET request for a whole list: two bits, which are other flags of other requests.
 */
const NLM_F_DUMP = 0x300;

/**
 * Names a request's type, flags and attributes. A type that is not known is named by its number.
 */
export function readMessage({ type, flags = 0, payload }: ObservedRequest): NamedMessage {
  const name = TYPES.get(type) ?? `message type ${type}`;
  const attributes = plain(writtenFrom(payload) ?? {}) as Record<string, unknown>;
  return { name, flags: /_GET|_CT_GET/.test(name) ? dumpFlag(flags) : namesOf(flags), attributes };
}

function dumpFlag(flags: number): string[] {
  return (flags & NLM_F_DUMP) === NLM_F_DUMP ? ["NLM_F_DUMP"] : [];
}

function namesOf(flags: number): string[] {
  return FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);
}

/** Converts a value for JSON: bytes to hex digits, and what has a `toJSON` by that. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hexOf(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ("toJSON" in value && typeof value.toJSON === "function") return value.toJSON();
  const known = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(known.map(([name, inner]) => [name, plain(inner)]));
}
