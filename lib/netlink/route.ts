/** Routes: `linux/rtnetlink.h`. */
import { align, attr, attributes } from "./attributes.ts";
import { type Codec, ip, s32, struct, u16, u32, u8, type Value } from "./codec.ts";
import { message } from "./message.ts";

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
/** The multicast group that is notified of IPv6 routes. */
export const RTNLGRP_IPV6_ROUTE = 11;

/** The table of routes that nobody put elsewhere: `main` of `ip route`. `linux/rtnetlink.h` */
export const RT_TABLE_MAIN = 254;
/** The table of the host's own addresses, which the kernel keeps: `local`. */
export const RT_TABLE_LOCAL = 255;
/** Nobody says who made the route. */
export const RTPROT_UNSPEC = 0;
/** Made by the kernel, such as the route to the network of an address. */
export const RTPROT_KERNEL = 2;
/** Made by hand, or while the host started: what `ip route` writes. */
export const RTPROT_BOOT = 3;
/** A route of no type; in a dump, of any. */
export const RTN_UNSPEC = 0;
/** A route to a device or by way of a router. */
export const RTN_UNICAST = 1;
/** A route to an address of this host. */
export const RTN_LOCAL = 2;
/** The destination may be anywhere: `global`. */
export const RT_SCOPE_UNIVERSE = 0;
/** The destination is on the link: no router is in between. */
export const RT_SCOPE_LINK = 253;
/** The destination is this host. */
export const RT_SCOPE_HOST = 254;
/** There is no such destination; in a request, any scope. */
export const RT_SCOPE_NOWHERE = 255;
/** The gateway is on the link although no route says so. */
export const RTNH_F_ONLINK = 4;

/** `struct rtmsg` */
const rtmsg = struct({
  family: u8,
  toPrefix: u8,
  fromPrefix: u8,
  tos: u8,
  shortTable: u8,
  protocol: u8,
  scope: u8,
  type: u8,
  flags: u32,
});

/**
 * `struct rtnexthop`, before a next hop's attributes; `length` counts both, `hops` is the weight
 * less one.
 */
const rtnexthop = struct({ length: u16, flags: u8, hops: u8, device: s32 });
const nextHopAttributes = attributes(() => ({ gateway: attr(5, ip) })); // RTA_GATEWAY

/** A next hop of a multipath route. */
type NextHopMessage = Omit<Value<typeof rtnexthop>, "length"> & Value<typeof nextHopAttributes>;

const nextHops: Codec<readonly NextHopMessage[]> = {
  encode(hops) {
    const parts = hops.map((hop) => {
      const attributes = nextHopAttributes.encode(hop);
      const length = rtnexthop.size + attributes.length;
      return [...rtnexthop.encode({ ...hop, length }), ...attributes];
    });
    return new Uint8Array(parts.flat());
  },
  decode(bytes) {
    const hops: NextHopMessage[] = [];
    for (let offset = 0; offset + rtnexthop.size <= bytes.length;) {
      const { length, ...hop } = rtnexthop.decode(bytes.subarray(offset));
      if (length < rtnexthop.size || offset + length > bytes.length) break;
      const rest = bytes.subarray(offset + rtnexthop.size, offset + length);
      hops.push({ ...hop, ...nextHopAttributes.decode(rest) });
      offset += align(length);
    }
    return hops;
  },
};

/** A route message. */
export const ROUTE = message(
  rtmsg,
  attributes(() => ({
    to: attr(1, ip), //        RTA_DST
    inputDevice: attr(3, u32), // RTA_IIF
    device: attr(4, u32), //   RTA_OIF        index
    gateway: attr(5, ip), //   RTA_GATEWAY
    priority: attr(6, u32), // RTA_PRIORITY   the metric
    source: attr(7, ip), //    RTA_PREFSRC
    metrics: attr( //          RTA_METRICS
      8,
      attributes(() => ({
        mtu: attr(2, u32), //    RTAX_MTU     bytes
        advmss: attr(8, u32), // RTAX_ADVMSS  bytes
      })),
    ),
    nextHops: attr(9, nextHops), // RTA_MULTIPATH, instead of device and gateway
    table: attr(15, u32), //   RTA_TABLE
  })),
);
/** @see ROUTE */
export type RouteMessage = Value<typeof ROUTE>;
