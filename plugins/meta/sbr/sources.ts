/**
 * The sources of source based routing: the addresses of an interface, and the rules for them.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import type { Cidr } from "../../../lib/ip/cidr.ts";
import { addressOf } from "../../../lib/ipam/configure.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { Rule } from "../../../lib/rtnl/rule.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig, Result } from "../../../lib/types/result.ts";
import { gatewayOf, type Options } from "./config.ts";
import type { Source } from "./routing.ts";

/**
 * Lists the addresses that a result has on an interface.
 * @throws {CniError} code 7 when there are none
 */
export function requireSources(
  { ifName, options }: AttachmentCall<Options>,
  result: Result,
): Source[] {
  const ips = ipsOf(result, ifName);
  if (ips.length === 0) {
    throw CniError.invalidConfig(
      `No IP addresses supplied on interface: ${ifName}; in the network's "plugins" put sbr behind ` +
        "a plugin with IPAM",
    );
  }
  return ips.map((entry) => {
    const own = addressOf(entry);
    const configured = gatewayOf(options, own.ip.family);
    const given = entry.gateway ? IpAddress.tryParse(entry.gateway) : undefined;
    return { own, gateway: configured ?? given, isConfigured: configured !== undefined };
  });
}

/** Lists the addresses of this interface; those without an index belong to it too. */
export function ipsOf({ ips = [], interfaces = [] }: Result, ifName: string): IpConfig[] {
  return ips.filter((entry) => {
    const owner = entry.interface === undefined ? undefined : interfaces[entry.interface];
    return owner === undefined || owner.name === ifName;
  });
}

/**
 * Lists the rules for traffic from these addresses: those of the configured table, or, where that
 * is 0, all of them.
 */
export function findRules(
  inside: Rtnl,
  configured: number,
  sources: readonly (Cidr | undefined)[],
): Rule[] {
  return inside.rule.list().filter(({ from, table }) =>
    from?.prefix === from?.ip.bits &&
    sources.some((source) => source && from?.ip.equals(source.ip)) &&
    (configured === 0 || configured === table)
  );
}
