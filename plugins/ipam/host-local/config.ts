/**
 * host-local's configuration, combined with the runtime's ranges and requested addresses.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { cidr, ip } from "../../../lib/ip/schema.ts";
import { routeList } from "../../../lib/ipam/routes.ts";
import type { BareCall, Call } from "../../../lib/skel/plugin.ts";
import { readArgs } from "../../../lib/types/args.ts";
import { CniError } from "../../../lib/types/error.ts";
import { findText } from "../../../lib/types/options.ts";
import {
  customSchema,
  goObject,
  type Infer,
  list,
  optional,
  optionalText,
  string,
} from "../../../lib/types/schema.ts";
import type { Schema } from "../../../lib/types/schema_type.ts";
import { atLeast } from "../../../lib/types/versions.ts";
import { RangeSet } from "./range_set.ts";

/** The Go plugin's directory of reservations. */
const DATA_DIRECTORY = "/var/lib/cni/networks";

/** What host-local reads of a network's configuration. */
export const options = () => {
  const address = () => optionalText(ip());
  const bounds = {
    /** First address to give; the subnet's second when absent. */
    rangeStart: address(),
    /** Last address to give; the subnet's last but one when absent. */
    rangeEnd: address(),
    /** Address of the gateway, given to no container; the subnet's second when absent. */
    gateway: address(),
  };
  const ranges = () =>
    optional(list(list(goObject({
      /** The network that the addresses are of. */
      subnet: cidr(),
      ...bounds,
    }))));
  return goObject({
    ipam: optional(goObject({
      /** Sets of ranges; one address is given of each. */
      ranges: ranges(),
      /** A single range, as old configurations have it: the first set. */
      subnet: optional(cidr()),
      ...bounds,
      /** Routes for the container. */
      routes: optional(routeList()),
      /** Directory that reservations are kept in. */
      dataDir: optional(path()),
      /** A file to take the result's `dns` from. */
      resolvConf: optional(string()),
    })),
    runtimeConfig: optional(goObject({ ipRanges: ranges(), ips: optional(list(host())) })),
    args: optional(goObject({ cni: optional(goObject({ ips: optional(list(host())) })) })),
  });
};

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** The schema of a directory; empty for the default. */
function path(): Schema<string> {
  return customSchema(
    "the path of a directory",
    (value) => typeof value === "string" && !value.includes("\0") ? value : undefined,
  );
}

/** The schema of an address; a prefix length is accepted and ignored. */
function host(): Schema<IpAddress> {
  return customSchema(
    'an IP address such as "10.1.2.3" or "fd00::3"',
    (value) => typeof value === "string" ? parseHost(value) : undefined,
  );
}

function parseHost(text: string): IpAddress | undefined {
  return IpAddress.tryParse(text) ?? Cidr.tryParse(text)?.ip;
}

/**
 * The directory that holds every network's reservations: `ipam.dataDir`, all that is read of
 * `ipam`.
 */
export function dataDirectory({ raw }: BareCall): string {
  const directory = findText(raw, "ipam", "dataDir");
  return directory && !directory.includes("\0") ? directory : DATA_DIRECTORY;
}

/**
 * The sets to give addresses of: the runtime's, then the old-style range, then `ranges`.
 * @throws {CniError} code 7 naming the set and what is wrong with it
 */
export function rangeSets({ config, options: { ipam, runtimeConfig } }: Call<Options>): RangeSet[] {
  if (!ipam) throw CniError.invalidConfig("IPAM config missing 'ipam' key");
  const { subnet, rangeStart, rangeEnd, gateway } = ipam;
  const stated = [
    ...runtimeConfig?.ipRanges ?? [],
    ...(subnet ? [[{ subnet, rangeStart, rangeEnd, gateway }]] : []),
    ...ipam.ranges ?? [],
  ];
  if (stated.length === 0) {
    throw CniError.invalidConfig(
      'no IP ranges specified: "ipam" needs "ranges", such as [[{"subnet": "10.1.2.0/24"}]]',
    );
  }
  const sets = stated.map((ranges, index) => {
    try {
      return new RangeSet(ranges);
    } catch (error) {
      throw CniError.from(error).withContext(`invalid range set ${index}`);
    }
  });
  requireOnePerFamily(sets, config.cniVersion);
  sets.forEach((set, index) => {
    const other = sets.slice(0, index).findIndex((earlier) => earlier.overlaps(set));
    if (other >= 0) {
      throw CniError.invalidConfig(
        `range set ${other} overlaps with ${index}: ${sets[other]} and ${set}`,
      );
    }
  });
  return sets;
}

function requireOnePerFamily(sets: readonly RangeSet[], version: string): void {
  if (atLeast(version, "0.3.0")) return;
  for (const family of [4, 6]) {
    const count = sets.filter((set) => set.family === family).length;
    if (count > 1) {
      throw CniError.invalidConfig(
        `CNI version ${version} does not support more than 1 address per family: ` +
          `there are ${count} range sets for IPv${family}`,
      );
    }
  }
}

/**
 * The addresses asked for, each once: CNI_ARGS's `IP`, then `args.cni.ips`, then the capability's.
 * @param args CNI_ARGS
 * @throws {CniError} code 4 for a malformed CNI_ARGS
 */
export function requestedAddresses(options: Options, args: string): IpAddress[] {
  const { IP } = readArgs(args, ["IP"]);
  const fromArgs = IP ? [parseHost(IP)] : [];
  if (IP && !fromArgs[0]) {
    throw CniError.invalidEnvironment(
      `ARGS: error parsing value of pair "IP=${IP}": it must be an IP address such as 10.1.2.3`,
    );
  }
  const all = [
    ...fromArgs as IpAddress[],
    ...options.args?.cni?.ips ?? [],
    ...options.runtimeConfig?.ips ?? [],
  ];
  return all.filter((address, index) => all.findIndex((one) => one.equals(address)) === index);
}
