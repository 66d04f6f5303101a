/** Addresses of interfaces: `linux/if_addr.h`. */
import { attr, attributes } from "./attributes.ts";
import { cstring, ip, struct, u32, u8, type Value } from "./codec.ts";
import { message } from "./message.ts";

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

/** IFA_F_*: skip duplicate address detection; it failed; it is under way. */
export const IFA_F_NODAD = 0x2;
export const IFA_F_DADFAILED = 0x8;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_PERMANENT = 0x80;

/** `struct ifaddrmsg` */
const ifaddrmsg = struct({ family: u8, prefix: u8, shortFlags: u8, scope: u8, index: u32 });

/** `struct ifa_cacheinfo`; the first two in seconds, the others in hundredths since the boot. */
const cacheinfo = struct({ preferred: u32, valid: u32, created: u32, updated: u32 });

/** INFINITY_LIFE_TIME, `net/addrconf.h` */
export const FOREVER = 0xffffffff;

/** An address message. */
export const ADDRESS = message(
  ifaddrmsg,
  attributes(() => ({
    address: attr(1, ip), //   IFA_ADDRESS    the peer's on a point-to-point link, else the local one
    local: attr(2, ip), //     IFA_LOCAL      absent for IPv6 where both are the same
    label: attr(3, cstring), // IFA_LABEL
    broadcast: attr(4, ip), // IFA_BROADCAST
    lifetimes: attr(6, cacheinfo), // IFA_CACHEINFO
    flags: attr(8, u32), //    IFA_FLAGS
  })),
);
/** @see ADDRESS */
export type AddressMessage = Value<typeof ADDRESS>;
