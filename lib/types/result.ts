/**
 * What ADD returns. In the program a result always has the newest version's shape; the older ones
 * exist only as JSON, on the way in (read_result.ts) and out (write_result.ts).
 */
import type { Dns } from "./config.ts";

/**
 * An interface that the plugin created or found: in the container when it has a sandbox, else on
 * the host.
 */
export interface Interface {
  /** Its name, inside its namespace. */
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
export interface ResultRoute {
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
  routes?: ResultRoute[];
  /** What the container's resolver needs. */
  dns?: Dns;
}

/** The keys of {@linkcode Interface}, in the order in which results print them. */
export const INTERFACE_KEYS = [
  "name",
  "mac",
  "mtu",
  "sandbox",
  "socketPath",
  "pciID",
] as const satisfies (keyof Interface)[];
/** The keys of {@linkcode IpConfig} and, from 0.3.0 to 0.4.0, the family. */
export const IP_KEYS = ["version", "interface", "address", "gateway"] as const;
/** The keys of {@linkcode ResultRoute}. */
export const ROUTE_KEYS = [
  "dst",
  "gw",
  "mtu",
  "advmss",
  "priority",
  "table",
  "scope",
] as const satisfies (keyof ResultRoute)[];
/** The keys of `ip4` and `ip6` before 0.3.0. */
export const IP_KEYS_01 = ["ip", "gateway", "routes"] as const;
