/**
 * What ADD returns. In the program a result always has the newest version's shape; the older ones
 * exist only as JSON, on the way in and out. Keys that no version of the specification knows are
 * kept on the way through.
 */
import type { Dns } from "./config.ts";
import { READERS, WRITERS } from "./convert.ts";
import { CniError } from "./error.ts";
import { quote, quoteList } from "./go_text.ts";
import { encodeJson, isObject, type JsonObject, type JsonValue } from "./json.ts";
import { familyOf, SPEC_VERSIONS, type VersionFamily } from "./versions.ts";

/**
 * An interface that the plugin created or found: in the container when it has a sandbox, else on
 * the host.
 */
export interface Interface {
  /** Its name where it is. */
  name: string;
  /** Hardware address, lower-case with colons. */
  mac?: string;
  /** Bytes. */
  mtu?: number;
  /** Path of the namespace, as CNI_NETNS gave it. */
  sandbox?: string;
  /** Path of the socket file behind an interface that is not the kernel's (vhost-user). */
  socketPath?: string;
  /** PCI address of the device behind it: `0000:00:1f.6`. */
  pciID?: string;
}

/** An address given to the container. */
export interface IpConfig {
  /** The address with its prefix length, host bits kept: `10.1.2.3/24`. */
  address: string;
  /** Address of the gateway of the address's subnet. */
  gateway?: string;
  /** Index into `interfaces`; an IPAM plugin leaves it out. */
  interface?: number;
}

/** A route in the container. */
export interface Route {
  /** Destination with its prefix length. */
  dst: string;
  /** Address of the gateway; without one the route goes by the address's own gateway. */
  gw?: string;
  /** Bytes. */
  mtu?: number;
  /** Bytes; the largest TCP segment to advertise. */
  advmss?: number;
  /** The metric: the lowest wins. */
  priority?: number;
  /** Routing table; 0 is not the same as absent, which is the main table. */
  table?: number;
  /** 0 global, 253 link, 254 host; 0 is not the same as absent. */
  scope?: number;
}

/** The result of ADD in the shape of version 1.1.0. */
export interface Result {
  /** Every interface that was made, host-side ones too. */
  interfaces?: Interface[];
  /** Every address that the container was given. */
  ips?: IpConfig[];
  /** Every route that was added in the container. */
  routes?: Route[];
  /** What the container's resolver needs. */
  dns?: Dns;
}

/**
 * Reads a result of any version, as another plugin printed it or as `prevResult` holds it. Types
 * are checked, addresses are not: who uses one parses it.
 *
 * @param defaultVersion What its `cniVersion` is taken to be where it has none: the
 * configuration's.
 * @throws {CniError} code 1 for an unknown version, 6 for a value of the wrong type.
 */
export function parseResult(value: JsonValue, defaultVersion: string): Result {
  if (value === null) return {};
  if (!isObject(value)) {
    throw CniError.decode(`invalid result: it must be an object, not ${encodeJson(value)}`);
  }
  const stated = value.cniVersion;
  const version = typeof stated === "string" && stated !== "" ? stated : defaultVersion;
  return READERS[requireFamily(version)](value);
}

/**
 * The JSON of a result in the version that the configuration asks for, with the keys in the order
 * in which the Go library prints them.
 *
 * @throws {CniError} code 1 for an unknown version, 7 when the version cannot express the result.
 */
export function printResult(result: Result, cniVersion: string): JsonObject {
  return WRITERS[requireFamily(cniVersion)](result, cniVersion || "0.1.0");
}

/** {@linkcode printResult} as the text that goes to stdout. */
export function renderResult(result: Result, cniVersion: string): string {
  return encodeJson(printResult(result, cniVersion), 4);
}

function requireFamily(version: string): VersionFamily {
  const family = familyOf(version);
  if (family !== undefined) return family;
  throw CniError.incompatibleVersion(
    `unsupported CNI result version ${quote(version)}: known are ${quoteList(SPEC_VERSIONS)}`,
  );
}
