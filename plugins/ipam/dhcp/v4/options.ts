/**
 * Reads the values of DHCPv4 options. They come from the network: a value that has not the form its
 * option is defined with counts as absent.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import { decodeText } from "../../../../lib/runtime/decode.ts";
import { decodeNames, isName } from "../names.ts";
import type { Message, Options } from "./message.ts";

/** Codes. RFC 2132; 119: RFC 3397; 121: RFC 3442. */
export const Option = {
  subnetMask: 1,
  routers: 3,
  nameServers: 6,
  domainName: 15,
  mtu: 26,
  staticRoutes: 33,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  message: 56,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  clientId: 61,
  domainSearch: 119,
  classlessRoutes: 121,
} as const;

/**
 * The options that are asked for unless the configuration says otherwise. Not 121 and 33: a server
 * that is asked for routes may leave the router out, and a client then has to ignore it (RFC 3442).
 */
export const DEFAULT_PARAMETERS: readonly number[] = [
  Option.subnetMask,
  Option.routers,
  Option.nameServers,
  Option.domainName,
  Option.domainSearch,
  Option.mtu,
  Option.leaseTime,
  Option.renewalTime,
  Option.rebindingTime,
];

/** A route as a server states it; without a gateway the destination is on the link. */
export interface OfferedRoute {
  to: Cidr;
  via?: IpAddress;
}

/** The message's type; 0 where it is none of DHCP. */
export function typeOf({ options }: Message): number {
  const value = options.get(Option.messageType);
  return value?.length === 1 ? value[0]! : 0;
}

export function serverOf({ options }: Message): IpAddress | undefined {
  return addresses(options, Option.serverId)[0];
}

/** A list of addresses; empty where the option is absent or no multiple of 4 bytes. */
export function addresses(options: Options, code: number): IpAddress[] {
  const value = options.get(code);
  if (!value || value.length % 4 !== 0) return [];
  return Array.from(
    { length: value.length / 4 },
    (_, index) => IpAddress.fromBytes(value.slice(index * 4, index * 4 + 4)),
  );
}

/** The prefix length of option 1; undefined where it is absent or no mask. */
export function prefixLength(options: Options): number | undefined {
  const [mask] = addresses(options, Option.subnetMask);
  if (!mask) return undefined;
  const ones = mask.value.toString(2).padStart(32, "0");
  return /^1*0*$/.test(ones) ? ones.lastIndexOf("1") + 1 : undefined;
}

export function uint32(options: Options, code: number): number | undefined {
  const value = options.get(code);
  return value?.length === 4 ? new DataView(value.slice().buffer).getUint32(0) : undefined;
}

export function uint16(options: Options, code: number): number | undefined {
  const value = options.get(code);
  return value?.length === 2 ? value[0]! * 256 + value[1]! : undefined;
}

/** Reads text, without the NUL that some servers put behind it. */
export function text(options: Options, code: number): string | undefined {
  const value = options.get(code);
  return value && decodeText(value).replace(/\0+$/, "");
}

/** A domain name; text that is none ends up in no resolv.conf. */
export function domain(options: Options): string | undefined {
  const name = text(options, Option.domainName);
  return name !== undefined && isName(name) ? name : undefined;
}

export function searchList(options: Options): string[] {
  const value = options.get(Option.domainSearch);
  return value ? decodeNames(value) ?? [] : [];
}

/**
 * The routes: option 121 alone where it is there, else option 33 and a default route by the first
 * router. RFC 3442.
 */
export function offeredRoutes(options: Options): OfferedRoute[] {
  const value = options.get(Option.classlessRoutes);
  const classless = value && classlessRoutes(value);
  if (classless?.length) return classless;
  const [router] = addresses(options, Option.routers);
  const fallback = router ? [{ to: Cidr.default(4), via: router }] : [];
  return [...classfulRoutes(options), ...fallback];
}

/**
 * Reads option 121: prefix length, as many bytes of the destination as it covers, gateway; again
 * and again.
 */
function classlessRoutes(value: Uint8Array): OfferedRoute[] | undefined {
  const routes: OfferedRoute[] = [];
  for (let offset = 0; offset < value.length;) {
    const prefix = value[offset++]!;
    const significant = Math.ceil(prefix / 8);
    const end = offset + significant + 4;
    if (prefix > 32 || end > value.length) return undefined;
    const destination = new Uint8Array(4);
    destination.set(value.subarray(offset, offset + significant));
    const via = IpAddress.fromBytes(value.slice(end - 4, end));
    const to = new Cidr(IpAddress.fromBytes(destination), prefix).network();
    routes.push(via.isUnspecified() ? { to } : { to, via });
    offset = end;
  }
  return routes;
}

/**
 * Reads option 33: pairs of destination and gateway. The destination's class says how long its
 * prefix is.
 */
function classfulRoutes(options: Options): OfferedRoute[] {
  const list = addresses(options, Option.staticRoutes);
  const routes: OfferedRoute[] = [];
  for (let index = 0; index + 1 < list.length; index += 2) {
    const first = list[index]!.bytes()[0]!;
    const prefix = first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
    routes.push({ to: new Cidr(list[index]!, prefix).network(), via: list[index + 1]! });
  }
  return routes;
}
