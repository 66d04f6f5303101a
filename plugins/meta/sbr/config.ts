import type { IpAddress } from "../../../lib/ip/address.ts";
import { ip } from "../../../lib/ip/schema.ts";
import { CniError } from "../../../lib/types/error.ts";
import {
  boolean,
  goObject,
  type Infer,
  integer,
  list,
  withDefault,
} from "../../../lib/types/schema.ts";

/** sbr's own options. */
export const options = () =>
  goObject({
    /**
     * The table to look up, which somebody else fills: nothing but rules is made. 0: one is found
     * and filled.
     */
    table: withDefault(integer({ min: 0, max: 2 ** 32 - 1 }), 0),
    /** At most one per family, in place of the addresses' own. */
    gateways: withDefault(list(ip()), () => []),
    /** Keep the subnets in the main table, with the address as preferred source. */
    addSourceHints: withDefault(boolean(), false),
    /** Leave the main table as it is. */
    keepMainRoutes: withDefault(boolean(), false),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/**
 * Refuses options that contradict each other.
 * @throws {CniError} code 7 naming them
 */
export function validateOptions({ gateways, addSourceHints, keepMainRoutes }: Options): void {
  if (gateways.length > 2) {
    throw CniError.invalidConfig(
      "gateways list cannot contain more than 2 entries (one IPv4, one IPv6): " +
        `"gateways" has ${gateways.length}`,
    );
  }
  const [first, second] = gateways;
  if (first && second && first.family === second.family) {
    throw CniError.invalidConfig(
      `gateways list contains multiple IPv${first.family} addresses: ${first} and ${second}`,
    );
  }
  if (addSourceHints && keepMainRoutes) {
    throw CniError.invalidConfig(
      '"addSourceHints" changes the main table and "keepMainRoutes" leaves it alone: remove one',
    );
  }
}

/** Finds the configured gateway of a family. */
export function gatewayOf({ gateways }: Options, family: 4 | 6): IpAddress | undefined {
  return gateways.find((gateway) => gateway.family === family);
}
