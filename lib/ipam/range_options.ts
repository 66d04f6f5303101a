/**
 * Range sets as host-local's configuration has them, combined with the runtime's, and the addresses
 * that are asked for.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { cidr, ip } from "../ip/schema.ts";
import { readArgs } from "../types/args.ts";
import { CniError } from "../types/error.ts";
import {
  customSchema,
  goObject,
  type Infer,
  list,
  optional,
  optionalText,
  string,
} from "../types/schema.ts";
import type { Schema } from "../types/schema_type.ts";
import { atLeast } from "../types/versions.ts";
import { RangeSet } from "./range_set.ts";
import { routeList } from "./routes.ts";

function bounds() {
  const address = () => optionalText(ip());
  return {
    /** First address to give; the subnet's second when absent. */
    rangeStart: address(),
    /** Last address to give; the subnet's last but one when absent. */
    rangeEnd: address(),
    /** Address of the gateway, given to no container; the subnet's second when absent. */
    gateway: address(),
  };
}

function ranges() {
  return optional(list(list(goObject({
    /** The network that the addresses are of. */
    subnet: cidr(),
    ...bounds(),
  }))));
}

/** The keys of `ipam` that say what to give addresses of, and what else a result has. */
export function rangeKeys() {
  return {
    /** Sets of ranges: one address of each; a set's are alternatives, of one family. */
    ranges: ranges(),
    /** A single range, as old configurations have it: the first set. */
    subnet: optional(cidr()),
    ...bounds(),
    /** Routes for the container. */
    routes: optional(routeList()),
    /** A file to take the result's `dns` from. */
    resolvConf: optional(string()),
  };
}

/** The keys beside `ipam` by which a runtime asks for ranges and addresses. */
export function requestKeys() {
  return {
    runtimeConfig: optional(goObject({ ipRanges: ranges(), ips: optional(list(host())) })),
    args: optional(goObject({ cni: optional(goObject({ ips: optional(list(host())) })) })),
  };
}

function requests() {
  return goObject(requestKeys());
}

function keys() {
  return goObject(rangeKeys());
}

/** What {@link rangeKeys} read. */
export type RangeKeys = Infer<ReturnType<typeof keys>>;

/** What {@link requestKeys} read. */
export type RequestKeys = Infer<ReturnType<typeof requests>>;

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
 * The sets to give addresses of: the runtime's, then the old-style range, then `ranges`.
 * @param version the configuration's `cniVersion`
 * @throws {CniError} code 7 naming the set and what is wrong with it
 */
export function rangeSets(
  { subnet, rangeStart, rangeEnd, gateway, ranges }: RangeKeys,
  { runtimeConfig }: RequestKeys,
  version: string,
): RangeSet[] {
  const stated = [
    ...runtimeConfig?.ipRanges ?? [],
    ...(subnet ? [[{ subnet, rangeStart, rangeEnd, gateway }]] : []),
    ...ranges ?? [],
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
  requireFit(sets, version);
  return sets;
}

/**
 * Expects that sets do not overlap, and that a result of this version can have an address of each.
 * @throws {CniError} code 7
 */
export function requireFit(sets: readonly RangeSet[], version: string): void {
  requireOnePerFamily(sets, version);
  for (const [index, set] of sets.entries()) {
    const other = sets.slice(0, index).find((earlier) => earlier.overlaps(set));
    if (other) {
      throw CniError.invalidConfig(
        `range set ${sets.indexOf(other)} overlaps with ${index}: ${other} and ${set}`,
      );
    }
  }
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
export function requestedAddresses(options: RequestKeys, args: string): IpAddress[] {
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
