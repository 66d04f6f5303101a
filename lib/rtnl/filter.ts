import type { Cidr } from "../ip/cidr.ts";
import { be16, u16 } from "../netlink/codec.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../netlink/message.ts";
import {
  ETH_P_ALL,
  ETH_P_IP,
  ETH_P_IPV6,
  FILTER,
  type FilterMessage,
  RTM_DELTFILTER,
  RTM_GETTFILTER,
  RTM_NEWTFILTER,
  type U32Key,
} from "../netlink/tc.ts";
import { type Link, nameOf } from "./link.ts";
import { readAnswers } from "../nl/answers.ts";
import { NetlinkError } from "../nl/error.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

const TC_ACT_STOLEN = 4;
const TCA_EGRESS_REDIR = 1;
/** Where the addresses are in a packet's header. Bytes. */
const OFFSETS = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

/** A filter to add: which packets it matches, and its action. */
export interface NewFilter {
  /** The interface whose packets it classifies. */
  device: Link;
  /** TC_H_*: the discipline it belongs to, and whether it looks at what arrives or what leaves. */
  parent: number;
  /** `prio`: the lowest is tried first. Filters of different families need different ones. */
  priority: number;
  /** Packets whose source or destination is in a network; every packet when absent. */
  match?: { end: "source" | "destination"; network: Cidr };
  /** `mirred egress redirect dev`: where packets are sent instead; without it they are passed on. */
  redirectTo?: Link;
}

/** A filter as the kernel has it. */
export interface Filter {
  /** `u32`, `bpf`, `flower`, `matchall`, … */
  kind: string;
  /** `prio`: the lowest is tried first. */
  priority: number;
  /** ETH_P_* */
  protocol: number;
  /** Index of the device that packets are sent to instead. */
  redirectTo?: number;
}

/** Filters: those of every kind are listed, those of kind `u32` added. Every method throws `NetlinkError` where the kernel refuses. */
export class Filters {
  /** `Rtnl` makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `tc filter show dev DEVICE parent PARENT` */
  list(device: Link, parent: number): Filter[] {
    const purpose = `list the filters of ${nameOf(device)}`;
    const payload = FILTER.encode({ index: device.index, parent });
    const answers = this.socket.dump({ type: RTM_GETTFILTER, payload, purpose });
    // Besides filters there are their priorities, without a handle, and u32's hash tables.
    return readAnswers(answers, purpose, FILTER.decode)
      .filter(({ kind, handle, options }) => kind === "u32" ? options?.keys : handle)
      .map(({ kind = "", info = 0, options }) => ({
        kind,
        priority: info >>> 16,
        protocol: swap(info & 0xffff),
        redirectTo: options?.actions?.first?.options?.parameters?.device,
      }));
  }

  /**
   * `tc filter del dev DEVICE parent PARENT prio PRIORITY protocol PROTOCOL`: all filters of that
   * priority; none there is fine.
   */
  removeIfPresent(device: Link, parent: number, { priority, protocol }: Filter): void {
    try {
      this.socket.request({
        type: RTM_DELTFILTER,
        payload: FILTER.encode({
          index: device.index,
          parent,
          info: (priority << 16 | swap(protocol)) >>> 0,
        }),
        purpose: `remove the filters of priority ${priority} of ${nameOf(device)}`,
      });
    } catch (error) {
      const gone = ["ENOENT", "EINVAL", "ENODEV"];
      if (!(error instanceof NetlinkError && gone.includes(error.code))) throw error;
    }
  }

  /**
   * `tc filter add dev DEVICE parent PARENT prio PRIORITY protocol all|ip|ipv6 u32 match … action
   * mirred egress redirect dev REDIRECT`
   */
  add({ device, parent, priority, match, redirectTo }: NewFilter): void {
    const family = match?.network.ip.family;
    const protocol = family === undefined ? ETH_P_ALL : family === 4 ? ETH_P_IP : ETH_P_IPV6;
    const message: FilterMessage = {
      index: device.index,
      parent,
      info: (priority << 16 | swap(protocol)) >>> 0,
      kind: "u32",
      options: {
        keys: match ? keysOf(match) : [EVERYTHING],
        actions: redirectTo && { first: redirection(redirectTo) },
      },
    };
    this.socket.request({
      type: RTM_NEWTFILTER,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      payload: FILTER.encode(message),
      purpose:
        `add a filter for ${match ? `packets with ${match.end} ${match.network}` : "packets"}` +
        ` to ${nameOf(device)}`,
    });
  }
}

const EVERYTHING: U32Key = { mask: new Uint8Array(4), value: new Uint8Array(4), offset: 0 };

/**
 * Makes a key for each four bytes of the address that the prefix reaches; for /0 one that always
 * matches.
 */
export function keysOf({ end, network }: NonNullable<NewFilter["match"]>): U32Key[] {
  const offset = OFFSETS[network.ip.family][end];
  const [value, mask] = [network.network().ip.bytes(), network.mask().bytes()];
  const words = Math.max(1, Math.ceil(network.prefix / 32));
  return Array.from({ length: words }, (_, word) => ({
    mask: mask.slice(4 * word, 4 * word + 4),
    value: value.slice(4 * word, 4 * word + 4),
    offset: offset + 4 * word,
  }));
}

function redirection({ index }: Link) {
  const none = { index: 0, capabilities: 0, references: 0, bindings: 0 };
  return {
    kind: "mirred",
    options: {
      parameters: { ...none, action: TC_ACT_STOLEN, direction: TCA_EGRESS_REDIR, device: index },
    },
  };
}

/** The protocol is in network byte order, in a number that is in the machine's. */
function swap(protocol: number): number {
  return u16.decode(be16.encode(protocol));
}
