/** Checks whether the values of an IPAM configuration fit: subnets, ranges, gateways, routes. */
import type { Address4, Address6 } from "../../deps/ip_address.ts";
import { getFold, isObject, type JsonObject, type JsonValue } from "../../types/json.ts";
import type { Document } from "./finding.ts";
import { type AddressRange, includes, overlap, parseAddress, rangeOf } from "./subnets.ts";

/** A range of addresses that a network gives to containers. */
export interface AddressPool {
  range: AddressRange;
  /** As the configuration has it. */
  subnet: string;
  /** Its path in the document. */
  path: readonly PropertyKey[];
}

/** Notes what is wrong with host-local's ranges. Returns those that have a usable subnet. */
export function checkRanges(
  document: Document,
  path: readonly PropertyKey[],
  ipam: JsonObject,
): AddressPool[] {
  const sets = rangeSets(path, ipam);
  const pools: { pool: AddressPool; set: number }[] = [];
  for (const [set, ranges] of sets.entries()) {
    for (const range of ranges) {
      const pool = checkRange(document, range.path, range.config);
      if (!pool) continue;
      const family = pools.find((other) => other.set === set)?.pool.range.family;
      if (family !== undefined && family !== pool.range.family) {
        document.note(
          "error",
          pool.path,
          "a set of ranges is for one family: an attachment is given one address of each set",
        );
      }
      const other = pools.find((other) => overlap(other.pool.range, pool.range));
      if (other) {
        document.note("error", pool.path, `${pool.subnet} overlaps ${other.pool.subnet} above it`);
      }
      pools.push({ pool, set });
    }
  }
  checkRoutes(document, path, ipam, pools.map(({ pool }) => pool.range));
  return pools.map(({ pool }) => pool);
}

interface Range {
  path: readonly PropertyKey[];
  config: JsonObject;
}

/** Lists the range sets, first that of the older form without `ranges`, as host-local does. */
function rangeSets(path: readonly PropertyKey[], ipam: JsonObject): Range[][] {
  const single = getFold(ipam, "subnet") === undefined ? [] : [[{ path, config: ipam }]];
  const ranges = getFold(ipam, "ranges");
  const sets = (Array.isArray(ranges) ? ranges : []).map((set, i) =>
    (Array.isArray(set) ? set : []).flatMap((config, j): Range[] =>
      isObject(config) ? [{ path: [...path, "ranges", i, j], config }] : []
    )
  );
  return [...single, ...sets];
}

function checkRange(
  document: Document,
  path: readonly PropertyKey[],
  config: JsonObject,
): AddressPool | undefined {
  const text = getFold(config, "subnet");
  const subnet = parseAddress(text);
  if (!subnet || typeof text !== "string" || !text.includes("/")) return undefined; // reported already
  const whole = rangeOf(subnet);
  const at = (key: string) => [...path, key];
  if (subnet.bigInt() !== whole.first) {
    const network = `${subnet.startAddress().correctForm()}${subnet.subnet}`;
    document.note(
      "error",
      at("subnet"),
      `${text} has bits behind its prefix: the subnet is ${network}`,
    );
  }
  if (whole.last - whole.first < 3n) {
    document.note("error", at("subnet"), `${text} is too small to give addresses of`);
    return undefined;
  }
  const inSubnet = (key: string) => {
    const address = parseAddress(getFold(config, key));
    if (!address || includes(whole, address)) return address;
    document.note("error", at(key), `"${key}" ${address.address} is not in ${text}`);
    return undefined;
  };
  const [start, end] = [inSubnet("rangeStart"), inSubnet("rangeEnd")];
  const first = start?.bigInt() ?? whole.first + 1n;
  const last = end?.bigInt() ?? whole.last - (whole.family === 4 ? 1n : 0n);
  if (first > last) {
    document.note(
      "error",
      at("rangeStart"),
      `"rangeStart" is behind "rangeEnd": the range is empty`,
    );
  }
  checkGateway(document, at("gateway"), getFold(config, "gateway"), whole, text);
  return { range: { family: whole.family, first, last }, subnet: text, path: at("subnet") };
}

function checkGateway(
  document: Document,
  path: readonly PropertyKey[],
  value: JsonValue | undefined,
  subnet: AddressRange,
  text: string,
): void {
  const gateway = parseAddress(value);
  if (!gateway || gateway.bigInt() === 0n) return;
  if (!includes(subnet, gateway)) {
    const message =
      `the gateway ${gateway.address} is not in its subnet ${text}: no container reaches it`;
    document.note("warning", path, message);
  } else if (isUnusable(gateway, subnet)) {
    document.note("warning", path, `the gateway ${gateway.address} is the subnet's own address`);
  }
}

/**
 * Whether an address is the subnet's own, or IPv4's broadcast address; /31 and /32 have neither.
 */
function isUnusable(address: Address4 | Address6, { family, first, last }: AddressRange): boolean {
  if (last - first < 2n) return false;
  return address.bigInt() === first || family === 4 && address.bigInt() === last;
}

/** Notes what is wrong with static's addresses. */
export function checkAddresses(
  document: Document,
  path: readonly PropertyKey[],
  ipam: JsonObject,
): void {
  const list = getFold(ipam, "addresses");
  const subnets: AddressRange[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of (Array.isArray(list) ? list : []).entries()) {
    if (!isObject(entry)) continue;
    const at = [...path, "addresses", index];
    const text = getFold(entry, "address");
    const address = parseAddress(text);
    if (!address || typeof text !== "string") continue;
    const subnet = rangeOf(address);
    subnets.push(subnet);
    if (isUnusable(address, subnet)) {
      document.note("warning", [...at, "address"], `${text} is the subnet's own address`);
    }
    if (seen.has(address.correctForm())) {
      document.note("error", [...at, "address"], `${text} stands there twice`);
    }
    seen.add(address.correctForm());
    checkGateway(document, [...at, "gateway"], getFold(entry, "gateway"), subnet, text);
  }
  checkRoutes(document, path, ipam, subnets);
}

/** Notes routes whose gateway is in no subnet: it must be reachable without a route. */
function checkRoutes(
  document: Document,
  path: readonly PropertyKey[],
  ipam: JsonObject,
  pools: readonly AddressRange[],
): void {
  const routes = getFold(ipam, "routes");
  const wholes = subnetsIn(ipam, pools);
  for (const [index, route] of (Array.isArray(routes) ? routes : []).entries()) {
    if (!isObject(route)) continue;
    const gateway = parseAddress(getFold(route, "gw"));
    if (!gateway || wholes.length === 0 || gateway.bigInt() === 0n) continue;
    if (wholes.some((subnet) => includes(subnet, gateway))) continue;
    const message = `the route's gateway ${gateway.address} is in none of the container's subnets`;
    document.note("warning", [...path, "routes", index, "gw"], message);
  }
}

/** Lists whole subnets, since a range may be only a part of its subnet. */
function subnetsIn(ipam: JsonObject, pools: readonly AddressRange[]): AddressRange[] {
  const stated = rangeSets([], ipam).flat().map(({ config }) =>
    parseAddress(getFold(config, "subnet"))
  );
  return [...pools, ...stated.flatMap((subnet) => subnet ? [rangeOf(subnet)] : [])];
}
