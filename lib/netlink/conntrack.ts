/** Connections that the kernel tracks: `linux/netfilter/nfnetlink_conntrack.h`. */
import { attr, attributes, nested } from "./attributes.ts";
import { be16, ip, raw, u32, u8, type Value } from "./codec.ts";
import { message } from "./message.ts";
import { nfgenmsg } from "./netfilter.ts";

const NFNL_SUBSYS_CTNETLINK = 1 << 8;
export const CT_GET = NFNL_SUBSYS_CTNETLINK | 1;
export const CT_DELETE = NFNL_SUBSYS_CTNETLINK | 2;

/** Which parts of a tuple a dump goes by: `net/netfilter/nf_internals.h`. */
export const CTA_FILTER_PROTO_NUM = 1 << 3;
export const CTA_FILTER_PROTO_DST_PORT = 1 << 5;

const protocolRows = {
  number: attr(1, u8), //             CTA_PROTO_NUM
  destinationPort: attr(3, be16), //  CTA_PROTO_DST_PORT
};

/** Addresses, protocol and ports of one direction: `struct nf_conntrack_tuple`. */
const tuple = attributes(() => ({
  ip: nested( //              CTA_TUPLE_IP
    1,
    attributes(() => ({
      source4: attr(1, ip), //       CTA_IP_V4_SRC
      destination4: attr(2, ip), //  CTA_IP_V4_DST
      source6: attr(3, ip), //       CTA_IP_V6_SRC
      destination6: attr(4, ip), //  CTA_IP_V6_DST
    })),
  ),
  protocol: nested( //        CTA_TUPLE_PROTO
    2,
    attributes(() => ({
      ...protocolRows,
      sourcePort: attr(2, be16), // CTA_PROTO_SRC_PORT
    })),
  ),
  zone: attr(3, raw), //      CTA_TUPLE_ZONE
}));

/** One connection: as its first packet was, and as answers are. */
export const CONNECTION = message(
  nfgenmsg,
  attributes(() => ({
    original: nested(1, tuple), // CTA_TUPLE_ORIG
    reply: nested(2, tuple), //    CTA_TUPLE_REPLY
    id: attr(12, raw), //          CTA_ID
    zone: attr(18, raw), //        CTA_ZONE
    // Limits a dump, since Linux 5.8; older kernels pass over it and dump everything.
    filter: nested(25, attributes(() => ({ original: attr(1, u32) }))), // CTA_FILTER, CTA_FILTER_ORIG_FLAGS
  })),
);
/** Protocol and destination port alone, which is quicker: of a large table, few entries matter. */
export const DESTINATION_PORT = message(
  nfgenmsg,
  attributes(() => ({
    original: nested(
      1,
      attributes(() => ({ protocol: nested(2, attributes(() => protocolRows)) })),
    ),
  })),
);

/** @see CONNECTION */
export type ConnectionMessage = Value<typeof CONNECTION>;
