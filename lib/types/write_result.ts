/**
 * Writes results of the shape of 1.1.0 as JSON of every version. What older versions cannot express
 * is lost: 0.1.0 and 0.2.0 hold one address of each family and no interfaces, and only from 1.0.0
 * on do interfaces have `mtu`, `socketPath` and `pciID`.
 */
import { type Dns, DNS_KEYS, isEmptyDns } from "./config.ts";
import { CniError } from "./error.ts";
import { encodeJson, type JsonObject, type JsonValue, setKey, sortKeys } from "./json.ts";
import { INTERFACE_KEYS, IP_KEYS, IP_KEYS_01, type Result, ROUTE_KEYS } from "./result.ts";
import { requireFamily, type VersionFamily } from "./versions.ts";

/**
 * Writers by version.
 *
 * @throws {CniError} code 7 when the version cannot express the result
 */
const WRITERS: Readonly<
  Record<VersionFamily, (result: Result, cniVersion: string) => JsonObject>
> = {
  "0.1": writeResult01,
  "0.3": writeResult03,
  "1.0": writeResult10,
};

/**
 * Converts a result to JSON in the version that the configuration asks for, with the keys in the
 * order in which the Go library prints them.
 *
 * @throws {CniError} code 1 for an unknown version, 7 when the version cannot express the result.
 */
export function printResult(result: Result, cniVersion: string): JsonObject {
  return WRITERS[requireFamily(cniVersion)](result, cniVersion || "0.1.0");
}

/** Writes a result as the text that goes to stdout; see {@linkcode printResult}. */
export function renderResult(result: Result, cniVersion: string): string {
  return encodeJson(printResult(result, cniVersion), 4);
}

function writeResult10(result: Result, cniVersion: string): JsonObject {
  const { interfaces, ips, routes, dns, ...rest } = result;
  return sortKeys({
    cniVersion,
    ...unlessEmpty(
      "interfaces",
      interfaces?.map((item) => print(item, INTERFACE_KEYS, INTERFACE_KEYS)),
    ),
    ...unlessEmpty(
      "ips",
      ips?.map((item) => print(item, ["interface", "address", "gateway"], IP_KEYS)),
    ),
    ...unlessEmpty("routes", routes?.map((item) => print(item, ROUTE_KEYS, ROUTE_KEYS))),
    ...(isEmptyDns(dns) ? {} : { dns: printDns(dns) }),
    ...rest,
  });
}

function writeResult03(result: Result, cniVersion: string): JsonObject {
  const { interfaces, ips, routes, dns, ...rest } = result;
  const versioned = ips?.map((item) => ({ ...item, version: familyOfAddress(item.address) }));
  return {
    cniVersion,
    ...unlessEmpty(
      "interfaces",
      interfaces?.map((item) => print(item, ["name", "mac", "sandbox"], INTERFACE_KEYS)),
    ),
    ...unlessEmpty("ips", versioned?.map((item) => print(item, IP_KEYS, IP_KEYS))),
    ...unlessEmpty("routes", routes?.map((item) => print(item, ROUTE_KEYS, ROUTE_KEYS))),
    dns: printDns(dns),
    ...rest,
  };
}

function writeResult01(result: Result, cniVersion: string): JsonObject {
  const { interfaces: _, ips = [], routes = [], dns, ...rest } = result;
  const half = (family: "4" | "6"): JsonObject | undefined => {
    const first = ips.find((item) => familyOfAddress(item.address) === family);
    if (first === undefined) return undefined;
    const own = routes.filter((route) => familyOfAddress(route.dst) === family);
    const { address, ...values } = first;
    const printed = own.map((route) => print(route, ["dst", "gw"], ROUTE_KEYS));
    return print({ ...values, ip: address, routes: printed }, IP_KEYS_01, [
      ...IP_KEYS_01,
      ...IP_KEYS,
    ]);
  };
  const ip4 = half("4");
  const ip6 = half("6");
  if (ip4 === undefined && ip6 === undefined) {
    throw CniError.invalidConfig(
      "cannot convert: no valid IP addresses, and a result of cniVersion " +
        `${cniVersion} needs one: ` +
        'set "cniVersion" to 0.3.0 or later, or have "ipam" give an address',
    );
  }
  return {
    cniVersion,
    ...(ip4 ? { ip4 } : {}),
    ...(ip6 ? { ip6 } : {}),
    dns: printDns(dns),
    ...rest,
  };
}

/**
 * Keys that are printed whatever their value is: required ones, and those whose 0 has a meaning.
 */
const ALWAYS = ["name", "address", "dst", "interface", "table", "scope"];

/**
 * Returns the values of `keys` in that order, without empty ones, then the keys that the
 * specification does not know.
 *
 * @param known Every key of such an object, in any version.
 */
function print(values: object, keys: readonly string[], known: readonly string[]): JsonObject {
  const all = values as Readonly<Record<string, JsonValue | undefined>>;
  const isEmpty = (value: JsonValue) =>
    value === "" || value === 0 || (Array.isArray(value) && value.length === 0);
  const printed: JsonObject = {};
  for (const key of keys) {
    const value = all[key];
    if (value !== undefined && (ALWAYS.includes(key) || !isEmpty(value))) printed[key] = value;
  }
  for (const key of Object.keys(all)) {
    const value = all[key];
    if (value !== undefined && !known.includes(key)) setKey(printed, key, value);
  }
  return printed;
}

function printDns(dns: Dns | undefined): JsonObject {
  return print(dns ?? {}, DNS_KEYS, DNS_KEYS);
}

/**
 * Returns the family of an address, with or without prefix length: a colon makes it "6", unless it
 * is an IPv4-mapped IPv6 address, which Go counts as IPv4.
 */
function familyOfAddress(address: string): "4" | "6" {
  return address.includes(":") && !/^::ffff:[\d.]+(\/|$)/i.test(address) ? "6" : "4";
}

function unlessEmpty(key: string, items: unknown[] | undefined): object {
  return items !== undefined && items.length > 0 ? { [key]: items } : {};
}
