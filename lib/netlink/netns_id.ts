/** Numbers by which a namespace knows others: `linux/net_namespace.h`, `struct rtgenmsg`. */
import { attr, attributes } from "./attributes.ts";
import { s32, struct, u32, u8 } from "./codec.ts";
import { message } from "./message.ts";

export const RTM_GETNSID = 90;

/** A namespace ID message. */
export const NETNS_ID = message(
  struct({ family: u8 }),
  attributes(() => ({
    id: attr(1, s32), // NETNSA_NSID  −1 for none
    fd: attr(3, u32), // NETNSA_FD    descriptor of the other namespace
  })),
);
