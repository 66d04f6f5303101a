/** Neighbours, which are ARP and NDP entries: `linux/neighbour.h`. */
import { attr, attributes } from "./attributes.ts";
import { ip, mac, s32, struct, u16, u8, type Value } from "./codec.ts";
import { message } from "./message.ts";

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

/** The neighbour answered lately. States: RFC 4861, section 7.3.2; `linux/neighbour.h` */
export const NUD_REACHABLE = 0x02;
/** The neighbour is being asked. */
export const NUD_PROBE = 0x10;
/** The neighbour did not answer. A state of the kernel's own. */
export const NUD_FAILED = 0x20;
/** An entry that does not expire and is not asked for. A state of the kernel's own. */
export const NUD_PERMANENT = 0x80;

/** The kernel is to use the entry: it looks for the neighbour. */
export const NTF_USE = 0x01;

/** `struct ndmsg` */
const ndmsg = struct({
  family: u8,
  pad1: u8,
  pad2: u16,
  index: s32,
  state: u16,
  flags: u8,
  type: u8,
});

/** A neighbour message. */
export const NEIGHBOUR = message(
  ndmsg,
  attributes(() => ({
    address: attr(1, ip), //     NDA_DST
    linkAddress: attr(2, mac), // NDA_LLADDR
  })),
);
/** @see NEIGHBOUR */
export type NeighbourMessage = Value<typeof NEIGHBOUR>;
