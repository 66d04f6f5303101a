/**
 * static's configuration, and the addresses that it and the runtime state.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { cidr, ip } from "../../../lib/ip/schema.ts";
import { routeList } from "../../../lib/ipam/routes.ts";
import { readArgs } from "../../../lib/types/args.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { IpConfig } from "../../../lib/types/result.ts";
import {
  goObject,
  type Infer,
  list,
  optional,
  optionalText,
  string,
  withDefault,
} from "../../../lib/types/schema.ts";
import { atLeast } from "../../../lib/types/versions.ts";

/** What static reads of a network's configuration. */
export const options = () => {
  const ips = () => optional(goObject({ ips: optional(list(cidr())) }));
  const texts = () => optional(list(string()));
  return goObject({
    ipam: optional(goObject({
      /** Addresses for the container. */
      addresses: withDefault(
        list(goObject({
          /** The address, with the prefix length of its subnet. */
          address: cidr(),
          /** Address of the subnet's gateway. */
          gateway: optionalText(ip()),
        })),
        () => [],
      ),
      /** Routes for the container. */
      routes: optional(routeList()),
      /** Name resolution, for the container's result. */
      dns: optional(goObject({
        nameservers: texts(),
        domain: optional(string()),
        search: texts(),
        options: texts(),
      })),
    })),
    runtimeConfig: ips(),
    args: optional(goObject({ cni: ips() })),
  });
};

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** An address to give, and its gateway. */
export interface Address {
  address: Cidr;
  gateway?: IpAddress;
}

/**
 * The addresses to give. Those of CNI_ARGS come behind the configured ones; `args.cni.ips` stands
 * in for both, and the runtime's `ips` capability for all.
 * @param args CNI_ARGS
 * @throws {CniError} code 4 for a malformed CNI_ARGS, 7 for what the configuration's version
 *   cannot express, or when there is no configuration
 */
export function addresses(options: Options, args: string, cniVersion: string): Address[] {
  const { ipam } = options;
  if (!ipam) throw CniError.invalidConfig("IPAM config missing 'ipam' key");
  const replaced = nonEmpty(options.runtimeConfig?.ips) ?? nonEmpty(options.args?.cni?.ips);
  const fromArgs = addressesFromArgs(args);
  const all: Address[] = replaced?.map((address) => ({ address })) ??
    [...ipam.addresses, ...fromArgs];
  requireOnePerFamily(all, cniVersion);
  return all;
}

function addressesFromArgs(text: string): Address[] {
  const { IP, GATEWAY } = readArgs(text, ["IP", "GATEWAY"]);
  const cidrs = pieces(IP).map((piece) => {
    const address = Cidr.tryParse(piece);
    if (address) return address;
    throw CniError.invalidEnvironment(
      `the 'ip' field is expected to be in CIDR notation, got: '${piece}': ` +
        "CNI_ARGS must be like IP=10.1.2.3/24",
    );
  });
  const gateways = pieces(GATEWAY).map((piece) => {
    const gateway = IpAddress.tryParse(piece);
    if (gateway) return gateway;
    throw CniError.invalidEnvironment(
      `invalid gateway address: ${piece}: CNI_ARGS must be like GATEWAY=10.1.2.1`,
    );
  });
  return cidrs.map((address) => ({
    address,
    // As with the Go plugin: of two gateways in its subnet an address gets the last.
    gateway: gateways.findLast((gateway) => address.contains(gateway)),
  }));
}

function pieces(text: string | undefined): string[] {
  return text ? text.split(",").map((piece) => piece.trim()) : [];
}

function nonEmpty<T>(list: T[] | undefined): T[] | undefined {
  return list?.length ? list : undefined;
}

function requireOnePerFamily(all: readonly Address[], version: string): void {
  if (atLeast(version, "0.3.0")) return;
  for (const family of [4, 6]) {
    const count = all.filter(({ address }) => address.ip.family === family).length;
    if (count > 1) {
      throw CniError.invalidConfig(
        `CNI version ${version} does not support more than 1 address per family: ` +
          `there are ${count} for IPv${family}`,
      );
    }
  }
}

/** An address as a result has it. */
export function ipConfig({ address, gateway }: Address): IpConfig {
  return { address: address.toString(), ...(gateway && { gateway: gateway.toString() }) };
}
