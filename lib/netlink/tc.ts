/**
 * Traffic control: queueing disciplines and filters. `linux/pkt_sched.h`, `linux/pkt_cls.h`,
 * `struct tcmsg` of `linux/rtnetlink.h`.
 *
 * @module
 */
import {
  attr,
  attributes,
  packAttributes,
  type RawAttribute,
  unpackAttributes,
} from "./attributes.ts";
import { type Codec, cstring, s32, struct, u16, u32, u64, u8, type Value } from "./codec.ts";
import { message } from "./message.ts";

export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
export const RTM_GETQDISC = 38;
export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
export const RTM_GETTFILTER = 46;

/** The parent of a device's own discipline: `root`. `linux/pkt_sched.h` */
export const TC_H_ROOT = 0xffffffff;
/** The parent of an `ingress` or `clsact` discipline. */
export const TC_H_INGRESS = 0xfffffff1;
/** The parent of filters on what a `clsact` receives. */
export const TC_H_CLSACT_INGRESS = 0xfffffff2;
/** The parent of filters on what a `clsact` sends. */
export const TC_H_CLSACT_EGRESS = 0xfffffff3;
/** The one handle that an `ingress` or `clsact` discipline may have: `ffff:`. */
export const INGRESS_HANDLE = 0xffff0000;

/** Any protocol, for a filter. `linux/if_ether.h` */
export const ETH_P_ALL = 0x0003;
/** IPv4, for a filter. */
export const ETH_P_IP = 0x0800;
/** IPv6, for a filter. */
export const ETH_P_IPV6 = 0x86dd;

/** `struct tcmsg` */
const tcmsg = struct({
  family: u8,
  pad1: u8,
  pad2: u16,
  index: s32,
  handle: u32,
  parent: u32,
  info: u32,
});

/** `struct tc_tbf_qopt`: two `struct tc_ratespec`, the rate and the peak rate, then the bucket. */
const tbfParameters = struct({
  cellLog: u8,
  linkLayer: u8, //     TC_LINKLAYER_*: 1 Ethernet
  overhead: u16,
  cellAlign: u16,
  mpu: u16,
  rate: u32, //         bytes per second; all ones when TCA_TBF_RATE64 has it
  peakCellLog: u8,
  peakLinkLayer: u8,
  peakOverhead: u16,
  peakCellAlign: u16,
  peakMpu: u16,
  peakRate: u32,
  limit: u32, //        bytes that may wait
  buffer: u32, //       ticks that the bucket's content lasts at this rate
  mtu: u32,
});

const TBF = attributes(() => ({
  parameters: attr(1, tbfParameters), // TCA_TBF_PARMS
  rate64: attr(4, u64), //               TCA_TBF_RATE64   bytes per second
}));

/** `struct tc_mirred`, of which `struct tc_gen` is the beginning */
const mirredParameters = struct({
  index: u32,
  capabilities: u32,
  action: s32, //       what becomes of the packet: 4 stolen
  references: s32,
  bindings: s32,
  direction: s32, //    1: leaves by the device
  device: u32,
});

const MIRRED = attributes(() => ({ parameters: attr(2, mirredParameters) })); // TCA_MIRRED_PARMS

/** `struct tc_u32_sel` with `struct tc_u32_key`s behind it. */
const u32Selector: Codec<U32Key[]> = {
  encode(keys) {
    const bytes = new Uint8Array(16 + 16 * keys.length);
    bytes[0] = 1; // TC_U32_TERMINAL
    bytes[2] = keys.length;
    keys.forEach(({ mask, value, offset }, index) => {
      const at = 16 + 16 * index;
      bytes.set(mask, at);
      bytes.set(value, at + 4);
      bytes.set(s32.encode(offset), at + 8);
    });
    return bytes;
  },
  decode: (bytes) =>
    Array.from({ length: bytes[2] ?? 0 }, (_, index) => {
      const key = bytes.subarray(16 + 16 * index);
      const [mask, value] = [key.slice(0, 4), key.slice(4, 8)];
      return { mask, value, offset: s32.decode(key.subarray(8)) };
    }),
};

/** Four bytes of a packet, counted from its network header, compared where `mask` has ones. */
export interface U32Key {
  /** Four bytes: which bits count. */
  mask: Uint8Array;
  /** Four bytes: what those bits must be. */
  value: Uint8Array;
  /** Bytes from the network header on. */
  offset: number;
}

const U32 = attributes(() => ({
  classId: attr(1, u32), //                                          TCA_U32_CLASSID
  keys: attr(5, u32Selector), //                                     TCA_U32_SEL
  actions: attr(7, attributes(() => ({ first: attr(1, byKind({ mirred: MIRRED })) }))), // TCA_U32_ACT
}));

/** A queueing discipline's message. */
export const QDISC = message(tcmsg, byKind({ tbf: TBF }));
/** @see QDISC */
export type QdiscMessage = Value<typeof QDISC>;
/** Options of a discipline: TCA_OPTIONS. */
export type TbfOptions = Value<typeof TBF>;

/** A filter's message. `info`: the priority in the upper half, the protocol in the lower. */
export const FILTER = message(tcmsg, byKind({ u32: U32 }));
/** @see FILTER */
export type FilterMessage = Value<typeof FILTER>;

/** Two attributes: a kind's name, and options in that kind's form. TCA_KIND, TCA_OPTIONS. */
function byKind<T>(
  kinds: Readonly<Record<string, Codec<T>>>,
): Codec<{ kind?: string; options?: T }> {
  const [KIND, OPTIONS] = [1, 2];
  return {
    encode({ kind, options }) {
      const parts: RawAttribute[] = [];
      if (kind !== undefined) parts.push({ type: KIND, payload: cstring.encode(kind) });
      const codec = kinds[kind ?? ""];
      if (codec && options !== undefined) {
        parts.push({ type: OPTIONS, payload: codec.encode(options) });
      }
      return packAttributes(parts);
    },
    decode(bytes) {
      const find = (wanted: number) =>
        unpackAttributes(bytes).find(({ type }) => type === wanted)?.payload;
      const name = find(KIND);
      const kind = name && cstring.decode(name);
      const options = find(OPTIONS);
      return { kind, options: options && kinds[kind ?? ""]?.decode(options) };
    },
  };
}
