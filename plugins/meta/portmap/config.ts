import { BACKENDS } from "../../../lib/firewall/backend_names.ts";
import type { Backend } from "../../../lib/firewall/backend_names.ts";
import type { PortMapping, SnatOptions } from "../../../lib/firewall/ports/types.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { CniError } from "../../../lib/types/error.ts";
import { isObject, type JsonObject } from "../../../lib/types/json.ts";
import { readOptions } from "../../../lib/types/options.ts";
import {
  boolean,
  customSchema,
  goObject,
  type Infer,
  integer,
  list,
  oneOf,
  optional,
  withDefault,
} from "../../../lib/types/schema.ts";

/** Kubernetes uses bits 14 and 15, Calico 20 to 31. */
const DEFAULT_MARK_BIT = 13;

/** portmap's own options. */
export const options = () =>
  goObject({
    /** What publishes ports; what the host has when absent, iptables where both work. */
    backend: optional(oneOf(BACKENDS)),
    /**
     * Make the container itself, its neighbours and 127.0.0.1 reach the port: they are seen with
     * the host's address.
     */
    snat: withDefault(boolean(), true),
    /** With `snat`: every client is seen with the host's address. */
    masqAll: withDefault(boolean(), false),
    /**
     * Bit of the packet mark that says "change the source address"; 13 when absent. iptables only.
     */
    markMasqBit: optional(integer({ min: 0, max: 31 })),
    /** A chain of somebody else's that sets that mark, such as `KUBE-MARK-MASQ`. iptables only. */
    externalSetMarkChain: optional(chain()),
    /**
     * What IPv4 packets must match besides, in the backend's own words: `["-s", "10.0.0.0/8"]`,
     * `["ip", "saddr", "10.0.0.0/8"]`.
     */
    conditionsV4: withDefault(list(token()), () => []),
    /** The same for IPv6 packets. */
    conditionsV6: withDefault(list(token()), () => []),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** The schema of a chain's name: at most 28 characters in iptables. */
function chain() {
  return customSchema(
    "the name of an iptables chain",
    (value) => typeof value === "string" && /^(?!-)[\w.-]{1,28}$/.test(value) ? value : undefined,
  );
}

/** The schema of a word of a rule. */
function token() {
  return customSchema("text without control characters, such as tabs and line breaks", (value) =>
    // deno-lint-ignore no-control-regex -- these are refused
    typeof value === "string" && !/[\x00-\x1f]/.test(value) ? value : undefined);
}

/**
 * Expects that conditions in nft's language cannot end their rule or its line and begin another.
 * @throws {CniError} code 7 naming what is not permitted
 */
function expectOneRule(key: string, conditions: readonly string[]): void {
  const text = conditions.join(" ");
  const outside = text.replaceAll(/"[^"]*"/g, "");
  const [found] = /[;{}#"]/.exec(outside) ?? [];
  if (found === undefined) return;
  throw CniError.invalidConfig(
    `${key} is ${JSON.stringify(text)}, with ` +
      (found === '"' ? "a quote that does not end" : `${found} outside quotes`) +
      ": conditions are part of one rule of nftables, without ; { } or #",
  );
}

/**
 * Reads the ports to publish from `runtimeConfig`. DEL does not: it must work without them.
 * @throws {CniError} code 7 naming the value
 */
export function readMappings(
  runtimeConfig: JsonObject | undefined,
): Readonly<Record<4 | 6, PortMapping[]>> {
  const raw = { portMappings: null, ...(isObject(runtimeConfig) ? runtimeConfig : {}) };
  const { portMappings } = readOptions(runtimeOptions(), raw, "portmap runtimeConfig");
  const requested = portMappings.map(({ hostPort, containerPort, protocol, hostIP }) => ({
    protocol,
    hostPort: port("host", hostPort),
    containerPort: port("container", containerPort),
    hostIP,
  }));
  const of = (family: 4 | 6) =>
    requested.filter(({ hostIP }) => !hostIP || hostIP.family === family)
      // An unspecified address is every address of a family, as without `hostIP`.
      .map(({ hostIP, ...mapping }) =>
        hostIP && !hostIP.isUnspecified() ? { ...mapping, hostIp: hostIP } : mapping
      );
  return { 4: withoutRepetition(of(4)), 6: withoutRepetition(of(6)) };
}

/**
 * Removes repeated mappings.
 * @throws {CniError} code 7 when one host port is to lead to two ports of the container
 */
function withoutRepetition(mappings: readonly PortMapping[]): PortMapping[] {
  const seen = new Map<string, PortMapping>();
  for (const mapping of mappings) {
    const { protocol, hostPort, containerPort, hostIp } = mapping;
    const name = `${protocol} port ${hostPort}${hostIp ? ` of ${hostIp}` : ""}`;
    const other = seen.get(name)?.containerPort ?? containerPort;
    if (other !== containerPort) {
      throw CniError.invalidConfig(
        `portMappings has ${name} twice, for container ports ${other} and ${containerPort}`,
      );
    }
    seen.set(name, mapping);
  }
  return [...seen.values()];
}

const runtimeOptions = () =>
  goObject({
    portMappings: withDefault(
      list(goObject({
        hostPort: withDefault(integer(), 0),
        containerPort: withDefault(integer(), 0),
        protocol: protocol(),
        hostIP: optional(hostIp()),
      })),
      () => [],
    ),
  });

function protocol() {
  return customSchema('"tcp", "udp" or "sctp"', (value) => {
    const word = typeof value === "string" ? value.toLowerCase() : "";
    return (["tcp", "udp", "sctp"] as const).find((known) => known === word);
  });
}

/** The schema of an address; "" is absent. */
function hostIp() {
  return customSchema(
    "an IP address, or nothing for every address of the host",
    (value) =>
      value === "" ? null : typeof value === "string" ? IpAddress.tryParse(value) : undefined,
  );
}

function port(whose: "host" | "container", number: number): number {
  if (number > 0 && number < 65536) return number;
  throw CniError.invalidConfig(
    `Invalid ${whose} port number: ${number}: a port is from 1 to 65535`,
  );
}

/**
 * Converts the options for lib/firewall, and chooses the backend that they require.
 * @throws {CniError} code 7 when they require different backends
 */
export function readBackend(options: Options): { backend?: Backend; snat: SnatOptions } {
  const { backend, snat, masqAll, markMasqBit, externalSetMarkChain } = options;
  if (markMasqBit !== undefined && externalSetMarkChain !== undefined) {
    throw CniError.invalidConfig("Cannot specify externalSetMarkChain and markMasqBit");
  }
  const specific: Record<Backend, string[]> = { iptables: [], nftables: [] };
  if (externalSetMarkChain !== undefined) specific.iptables.push("externalSetMarkChain");
  for (const key of ["conditionsV4", "conditionsV6"] as const) {
    const first = options[key].find((word) => word !== "");
    // No condition of nftables starts with a dash or an exclamation mark, all of iptables' do.
    if (first) specific[/^[-!]/.test(first) ? "iptables" : "nftables"].push(key);
  }
  const [asked] = BACKENDS.filter((name) => specific[name].length > 0);
  const chosen = backend ?? asked;
  for (const other of BACKENDS) {
    if (chosen === undefined || other === chosen || specific[other].length === 0) continue;
    throw CniError.invalidConfig(
      `${chosen} backend was requested but configuration contains ${other}-specific options ` +
        `[${specific[other].join(" ")}]`,
    );
  }
  if (chosen === "nftables") {
    for (const key of ["conditionsV4", "conditionsV6"] as const) expectOneRule(key, options[key]);
  }
  return {
    backend: chosen,
    snat: {
      snat,
      masqAll,
      markBit: markMasqBit ?? DEFAULT_MARK_BIT,
      setMarkChain: externalSetMarkChain,
    },
  };
}
