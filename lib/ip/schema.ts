/** Building blocks for the options of a plugin that hold addresses. */
import { customSchema } from "../types/schema.ts";
import type { Schema } from "../types/schema_type.ts";
import { IpAddress } from "./address.ts";
import { Cidr } from "./cidr.ts";
import { tryParseMac } from "./mac.ts";

/** An address without prefix length. */
export function ip(): Schema<IpAddress> {
  return customSchema(
    'an IP address such as "10.1.2.3" or "fd00::3"',
    (value) => typeof value === "string" ? IpAddress.tryParse(value) : undefined,
  );
}

/** An address with prefix length; the bits behind the prefix are kept. */
export function cidr(): Schema<Cidr> {
  return customSchema(
    'an address with a prefix length such as "10.1.2.3/24" or "fd00::3/64"',
    (value) => typeof value === "string" ? Cidr.tryParse(value) : undefined,
  );
}

/** A MAC address, read into its lower-case form with colons. */
export function mac(): Schema<string> {
  return customSchema(
    'a MAC address such as "0a:58:0a:01:02:03"',
    (value) => typeof value === "string" ? tryParseMac(value) : undefined,
  );
}
