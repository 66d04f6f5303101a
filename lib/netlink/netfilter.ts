/** What nftables and connection tracking have in common: `linux/netfilter/nfnetlink.h`. */
import { be16, struct, u8 } from "./codec.ts";

/** `struct nfgenmsg` */
export const nfgenmsg = struct({ family: u8, version: u8, resource: be16 });
