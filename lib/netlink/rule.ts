/** Policy rules: `linux/fib_rules.h`. */
import { attr, attributes } from "./attributes.ts";
import { cstring, ip, struct, u32, u8, type Value } from "./codec.ts";
import { message } from "./message.ts";

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;
/** Look the destination up in a table. */
export const FR_ACT_TO_TBL = 1;

/** `struct fib_rule_hdr` */
const ruleHeader = struct({
  family: u8,
  toPrefix: u8,
  fromPrefix: u8,
  tos: u8,
  shortTable: u8,
  reserved1: u8,
  reserved2: u8,
  action: u8,
  flags: u32,
});

/** A rule message. */
export const RULE = message(
  ruleHeader,
  attributes(() => ({
    to: attr(1, ip), //              FRA_DST
    from: attr(2, ip), //            FRA_SRC
    inputDevice: attr(3, cstring), // FRA_IIFNAME
    priority: attr(6, u32), //       FRA_PRIORITY
    mark: attr(10, u32), //          FRA_FWMARK
    table: attr(15, u32), //         FRA_TABLE
    markMask: attr(16, u32), //      FRA_FWMASK
    outputDevice: attr(17, cstring), // FRA_OIFNAME
  })),
);
/** @see RULE */
export type RuleMessage = Value<typeof RULE>;
