/** Reads results of every version from JSON, into the shape of 1.1.0. */
import { DNS_KEYS, readDns } from "./config.ts";
import { CniError } from "./error.ts";
import { Fields } from "./fields.ts";
import { encodeJson, isObject, type JsonObject, type JsonValue } from "./json.ts";
import {
  type Interface,
  INTERFACE_KEYS,
  IP_KEYS,
  IP_KEYS_01,
  type IpConfig,
  type Result,
  type ResultRoute,
  ROUTE_KEYS,
} from "./result.ts";
import { requireFamily, type VersionFamily } from "./versions.ts";

const RESULT_KEYS = ["cniVersion", "interfaces", "ips", "routes", "dns"] as const;
/** The later versions' keys mean nothing in a result of 0.1.0 or 0.2.0, and are dropped. */
const RESULT_KEYS_01 = ["cniVersion", "ip4", "ip6", "dns", "interfaces", "ips", "routes"] as const;

/**
 * Readers by version.
 *
 * @throws {CniError} code 6 naming the field, its value and what it should be
 */
const READERS: Readonly<Record<VersionFamily, (value: JsonObject) => Result>> = {
  "0.1": readResult01,
  "0.3": readResult, // `version` of an address says no more than the address itself
  "1.0": readResult,
};

/**
 * Reads a result of any version, as another plugin printed it or as `prevResult` holds it. Types
 * are checked, addresses are not: the code that uses one parses it. Keys that no version of the
 * specification knows are kept.
 *
 * @param defaultVersion The version of a result without `cniVersion`: the configuration's.
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
  const { cniVersion: _, ip4: _4, ip6: _6, ...others } = fields.values;
  const { interfaces: _i, ips: _ips, routes: _r, ...rest } = others;
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

function readRoute(fields: Fields): ResultRoute {
  fields.string("gw");
  for (const key of ["mtu", "advmss", "priority", "table", "scope"]) fields.integer(key, 0);
  return { ...fields.values, dst: requirePrefix(fields, "dst") };
}

/**
 * Reads a field that holds an address and a prefix length; refuses text that does not have that
 * form.
 */
function requirePrefix(fields: Fields, key: string): string {
  const text = fields.string(key);
  if (text !== undefined && /^[0-9a-fA-F:.]+\/\d{1,3}$/.test(text)) return text;
  throw fields.mismatch(key, 'an address with a prefix length, such as "10.1.2.3/24"');
}

function list(key: string, items: unknown[] | undefined): object {
  return items !== undefined && items.length > 0 ? { [key]: items } : {};
}
