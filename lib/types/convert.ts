/**
 * Results of every version from and to the shape of 1.1.0, which makes every conversion between
 * versions one reader and one writer. What older versions cannot say is lost: 0.1.0 and 0.2.0 hold
 * one address of each family and no interfaces, and only from 1.0.0 on do interfaces have `mtu`,
 * `socketPath` and `pciID`.
 */
import { type Dns, DNS_KEYS, isEmptyDns, readDns } from "./config.ts";
import { CniError } from "./error.ts";
import { Fields } from "./fields.ts";
import { type JsonObject, type JsonValue, sortKeys } from "./json.ts";
import type { Interface, IpConfig, Result, Route } from "./result.ts";
import type { VersionFamily } from "./versions.ts";

const INTERFACE_KEYS = [
  "name",
  "mac",
  "mtu",
  "sandbox",
  "socketPath",
  "pciID",
] as const satisfies (keyof Interface)[];
const IP_KEYS = ["version", "interface", "address", "gateway"] as const;
const ROUTE_KEYS = [
  "dst",
  "gw",
  "mtu",
  "advmss",
  "priority",
  "table",
  "scope",
] as const satisfies (keyof Route)[];
const RESULT_KEYS = ["cniVersion", "interfaces", "ips", "routes", "dns"] as const;
const RESULT_KEYS_01 = ["cniVersion", "ip4", "ip6", "dns"] as const;
const IP_KEYS_01 = ["ip", "gateway", "routes"] as const;

/** From JSON. @throws {CniError} code 6 naming the field, its value and what it should be */
export const READERS: Readonly<Record<VersionFamily, (value: JsonObject) => Result>> = {
  "0.1": readResult01,
  "0.3": readResult, // `version` of an address says no more than the address itself
  "1.0": readResult,
};

/** To JSON. @throws {CniError} code 7 when there is no way to say it in that version */
export const WRITERS: Readonly<
  Record<VersionFamily, (result: Result, cniVersion: string) => JsonObject>
> = {
  "0.1": writeResult01,
  "0.3": writeResult03,
  "1.0": writeResult10,
};

function resultFields(value: JsonObject, keys: readonly string[]): Fields {
  return new Fields(value, keys, "", (text) => CniError.decode(`invalid result: ${text}`));
}

function readResult(value: JsonObject): Result {
  const fields = resultFields(value, RESULT_KEYS);
  const { cniVersion: _, ...rest } = fields.values;
  const dns = fields.inner("dns", DNS_KEYS);
  return {
    ...rest,
    ...list("interfaces", fields.each("interfaces", INTERFACE_KEYS)?.map(readInterface)),
    ...list("ips", fields.each("ips", IP_KEYS)?.map(readIp)),
    ...list("routes", fields.each("routes", ROUTE_KEYS)?.map(readRoute)),
    ...(dns ? { dns: readDns(dns) } : {}),
  };
}

function readResult01(value: JsonObject): Result {
  const fields = resultFields(value, RESULT_KEYS_01);
  const { cniVersion: _, ip4: _4, ip6: _6, ...rest } = fields.values;
  const both = [fields.inner("ip4", IP_KEYS_01), fields.inner("ip6", IP_KEYS_01)].filter((ip) =>
    ip !== undefined
  );
  const dns = fields.inner("dns", DNS_KEYS);
  return {
    ...rest,
    ...list("ips", both.map(readIp01)),
    ...list("routes", both.flatMap((ip) => ip.each("routes", ROUTE_KEYS) ?? []).map(readRoute)),
    ...(dns ? { dns: readDns(dns) } : {}),
  };
}

function readInterface(fields: Fields): Interface {
  for (const key of ["mac", "sandbox", "socketPath", "pciID"]) fields.string(key);
  fields.integer("mtu", 0);
  return { ...fields.values, name: fields.string("name") ?? "" };
}

function readIp(fields: Fields): IpConfig {
  fields.string("gateway");
  fields.integer("interface", 0);
  const { version: _, ...values } = fields.values;
  return { ...values, address: requirePrefix(fields, "address") };
}

function readIp01(fields: Fields): IpConfig {
  fields.string("gateway");
  const { ip: _, routes: __, ...values } = fields.values;
  return { ...values, address: requirePrefix(fields, "ip") };
}

function readRoute(fields: Fields): Route {
  fields.string("gw");
  for (const key of ["mtu", "advmss", "priority", "table", "scope"]) fields.integer(key, 0);
  return { ...fields.values, dst: requirePrefix(fields, "dst") };
}

/**
 * A field that holds an address and a prefix length; anything that is not even shaped like it is
 * refused.
 */
function requirePrefix(fields: Fields, key: string): string {
  const text = fields.string(key);
  if (text !== undefined && /^[0-9a-fA-F:.]+\/\d{1,3}$/.test(text)) return text;
  throw fields.mismatch(key, 'an address with a prefix length, such as "10.1.2.3/24"');
}

function list(key: string, items: unknown[] | undefined): object {
  return items !== undefined && items.length > 0 ? { [key]: items } : {};
}

function writeResult10(result: Result, cniVersion: string): JsonObject {
  const { interfaces, ips, routes, dns, ...rest } = result;
  return sortKeys({
    cniVersion,
    ...list("interfaces", interfaces?.map((item) => print(item, INTERFACE_KEYS, INTERFACE_KEYS))),
    ...list("ips", ips?.map((item) => print(item, ["interface", "address", "gateway"], IP_KEYS))),
    ...list("routes", routes?.map((item) => print(item, ROUTE_KEYS, ROUTE_KEYS))),
    ...(isEmptyDns(dns) ? {} : { dns: printDns(dns) }),
    ...rest,
  });
}

function writeResult03(result: Result, cniVersion: string): JsonObject {
  const { interfaces, ips, routes, dns, ...rest } = result;
  const versioned = ips?.map((item) => ({ ...item, version: familyOfAddress(item.address) }));
  return {
    cniVersion,
    ...list(
      "interfaces",
      interfaces?.map((item) => print(item, ["name", "mac", "sandbox"], INTERFACE_KEYS)),
    ),
    ...list("ips", versioned?.map((item) => print(item, IP_KEYS, IP_KEYS))),
    ...list("routes", routes?.map((item) => print(item, ROUTE_KEYS, ROUTE_KEYS))),
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
 * The values of `keys` in that order, empty ones left out, then the keys that the specification
 * does not know.
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
  const unknown = Object.entries(values).filter(([key]) => !known.includes(key));
  return { ...printed, ...Object.fromEntries(unknown) };
}

function printDns(dns: Dns | undefined): JsonObject {
  return print(dns ?? {}, DNS_KEYS, DNS_KEYS);
}

/**
 * The family of an address, with or without prefix length: a colon makes it "6", unless it is an
 * IPv4 address written in the IPv6 way, which Go counts as IPv4.
 */
function familyOfAddress(address: string): "4" | "6" {
  return address.includes(":") && !/^::ffff:[\d.]+(\/|$)/i.test(address) ? "6" : "4";
}
