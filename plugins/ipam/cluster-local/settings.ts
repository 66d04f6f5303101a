/** Reads from a configuration where etcd is, which node this is, and which addresses are given. */
import type { IpAddress } from "../../../lib/ip/address.ts";
import { rangeSets, requireFit } from "../../../lib/ipam/range_options.ts";
import { RangeSet } from "../../../lib/ipam/range_set.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import type { BareCall, Call } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { readOptions } from "../../../lib/types/options.ts";
import type { IpConfig } from "../../../lib/types/result.ts";
import type { EtcdSettings } from "./etcd/settings.ts";
import {
  type ConnectionOptions,
  connectionOptions,
  type IpamOptions,
  type Options,
  parseEndpoint,
  type Span,
} from "./options.ts";

/** The prefix of every key, unless configured. */
const PREFIX = "/cni/cluster-local";

/** The version of the keys' layout below the prefix. */
const LAYOUT = "v1";

const TIMEOUT_S = 10;

/** A set of ranges of which an attachment is given one address. */
export interface AddressSet {
  /** The name of the pool that the addresses are of. */
  readonly pool: string;
  readonly ranges: RangeSet;
  /** Whether a result has the gateway: whereabouts' have none unless it is configured. */
  readonly hasGateway: boolean;
  readonly exclude: readonly Span[];
}

/** Whether an address of the set may be given: it is no gateway and not excluded. */
export function isGivable({ ranges, exclude }: AddressSet, address: IpAddress): boolean {
  const range = ranges.rangeOf(address);
  return range !== undefined && !address.equals(range.gateway) && !isWithin(exclude, address);
}

/** Whether an address is in any of the spans. */
export function isWithin(spans: readonly Span[], address: IpAddress): boolean {
  return spans.some(({ first, last }) =>
    first.family === address.family && address.compare(first) >= 0 && address.compare(last) <= 0
  );
}

/**
 * Reads the sets to give addresses of.
 * @throws {CniError} code 7
 */
export function addressSets({ config, options }: Call<Options>): AddressSet[] {
  const { ipam } = options;
  if (!ipam) throw CniError.invalidConfig("IPAM config missing 'ipam' key");
  const legacy = legacyRanges(ipam);
  if (legacy.length === 0) {
    const { pool = config.name, exclude = [] } = ipam;
    return rangeSets(ipam, options, config.cniVersion)
      .map((ranges) => ({ pool, ranges, hasGateway: true, exclude }));
  }
  const sets = legacy.map((one) => legacySet(one, ipam));
  requireFit(sets.map(({ ranges }) => ranges), config.cniVersion);
  return sets;
}

type LegacyRange = NonNullable<IpamOptions["ipRanges"]>[number];

function legacyRanges({ range, range_start, range_end, exclude, ipRanges }: IpamOptions) {
  return [
    ...range ? [{ range, range_start, range_end, exclude }] : [],
    ...ipRanges ?? [],
  ];
}

/**
 * Makes the set of a range as whereabouts has it: without a gateway unless stated, both ends of the
 * network left out, its pool named by the range.
 */
function legacySet(
  { range, range_start, range_end, exclude = [] }: LegacyRange,
  { gateway, pool, network_name }: IpamOptions,
): AddressSet {
  if (!range) throw CniError.invalidConfig('each of "ipRanges" needs a "range"');
  const { subnet } = range;
  const [lowest, highest] = [subnet.first().add(1), subnet.last().add(-1)];
  const start = range.first ?? range_start;
  const end = range.last ?? range_end;
  const own = gateway && gateway.family === subnet.ip.family ? gateway : undefined;
  const ranges = new RangeSet([{
    subnet,
    rangeStart: start && start.compare(lowest) > 0 ? start : lowest,
    rangeEnd: end && end.compare(highest) < 0 ? end : highest,
    gateway: own ?? subnet.first(), // which is given to nobody anyway
  }]);
  const name = `${subnet}`.replace("/", "-");
  return {
    pool: pool ?? (network_name ? `${network_name}-${name}` : name),
    ranges,
    hasGateway: own !== undefined,
    exclude,
  };
}

/** Reads the addresses of the configuration that a result has as they are. */
export function fixedAddresses({ addresses = [] }: IpamOptions): IpConfig[] {
  return addresses.map(({ address, gateway }) => ({
    address: address.toString(),
    ...gateway && { gateway: gateway.toString() },
  }));
}

/** Reads where etcd is. @throws {CniError} code 7 */
export function etcdSettings(ipam: ConnectionOptions): EtcdSettings {
  const { etcd, etcd_host } = ipam;
  if (etcd) {
    if (etcd.endpoints.length === 0) throw CniError.invalidConfig('"etcd.endpoints" is empty');
    const { timeout = TIMEOUT_S, prefix = PREFIX, ...rest } = etcd;
    return requirePairs({ ...rest, prefix: `${prefix}/${LAYOUT}`, timeoutMs: timeout * 1000 });
  }
  if (!etcd_host) {
    throw CniError.invalidConfig(
      '"ipam" needs "etcd", such as {"endpoints": ["https://10.0.0.1:2379"]}',
    );
  }
  const { etcd_ca_cert_file, etcd_cert_file, etcd_key_file } = ipam;
  const scheme = etcd_ca_cert_file || etcd_cert_file ? "https" : "http";
  const endpoint = parseEndpoint(etcd_host) ?? parseEndpoint(`${scheme}://${etcd_host}`);
  if (!endpoint) throw CniError.invalidConfig(`"etcd_host" is no member of etcd: ${etcd_host}`);
  return requirePairs({
    endpoints: [endpoint],
    caFile: etcd_ca_cert_file,
    certFile: etcd_cert_file,
    keyFile: etcd_key_file,
    username: ipam.etcd_username,
    password: ipam.etcd_password,
    prefix: `${PREFIX}/${LAYOUT}`,
    timeoutMs: TIMEOUT_S * 1000,
  });
}

function requirePairs(settings: EtcdSettings): EtcdSettings {
  const { certFile, keyFile } = settings;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw CniError.invalidConfig('"etcd" needs both of certFile and keyFile, or neither');
  }
  return settings;
}

/**
 * Reads where etcd is and which node this is, for DEL and GC; undefined where that is impossible.
 */
export function tryConnection(
  { raw }: BareCall,
): { etcd: EtcdSettings; node: string; isNamed: boolean } | undefined {
  try {
    const { ipam } = readOptions(connectionOptions(), raw, "cluster-local");
    return { etcd: etcdSettings(ipam), node: nodeName(ipam.node), isNamed: Boolean(ipam.node) };
  } catch {
    return undefined;
  }
}

/**
 * Returns this node's name: the one configured, else the kernel's node name.
 * @throws {CniError} code 7 when it does not tell machines apart
 */
export function nodeName(configured: string | undefined): string {
  const name = configured ?? runtime.files.readText("/proc/sys/kernel/hostname").trim();
  if (["", "localhost", "(none)"].includes(name) || !/^[A-Za-z0-9][\w.-]{0,252}$/.test(name)) {
    throw CniError.invalidConfig(
      `${JSON.stringify(name)} does not name this node: ${
        configured === undefined ? "it is the kernel's node name; " : ""
      }set "node" in "ipam", or the host's name (hostnamectl set-hostname), to a name of letters, ` +
        "digits and .-_ that no other node has",
    );
  }
  return name;
}
