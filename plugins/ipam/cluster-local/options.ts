/**
 * cluster-local's configuration: host-local's keys, where etcd is, and the keys by which whereabouts
 * says both.
 *
 * @module
 */
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { cidr, ip } from "../../../lib/ip/schema.ts";
import { rangeKeys, requestKeys } from "../../../lib/ipam/range_options.ts";
import {
  customSchema,
  goObject,
  type Infer,
  integer,
  list,
  optional,
  optionalText,
  string,
} from "../../../lib/types/schema.ts";
import type { Schema } from "../../../lib/types/schema_type.ts";

/** Addresses from `first` to `last`, both included. */
export interface Span {
  first: IpAddress;
  last: IpAddress;
}

/** What cluster-local reads of a network's configuration. */
export const options = () =>
  goObject({ ipam: optional(goObject({ ...rangeKeys(), ...ownKeys() })), ...requestKeys() });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** The keys of `ipam`. */
export type IpamOptions = NonNullable<Options["ipam"]>;

/** The keys that lead to etcd, for DEL and GC, which no error in other keys may hinder. */
export const connectionOptions = () => goObject({ ipam: goObject(connectionKeys()) });

/** @see connectionOptions */
export type ConnectionOptions = Infer<ReturnType<typeof connectionOptions>>["ipam"];

function ownKeys() {
  const legacy = {
    /** whereabouts': the network, as `10.1.0.0/16` or `10.1.0.10-10.1.0.99/16`. */
    range: optionalText(subnetOrSpan()),
    /** whereabouts': first address to give. */
    range_start: optionalText(ip()),
    /** whereabouts': last address to give. */
    range_end: optionalText(ip()),
    /** Addresses that nobody is given: `10.1.0.0/28`, `10.1.0.9` or `10.1.0.5-10.1.0.9`. */
    exclude: optional(list(span())),
  };
  return {
    ...connectionKeys(),
    /**
     * The pool that addresses are of; the network's name when absent. Networks with the same pool
     * never give the same address.
     */
    pool: optionalText(poolName()),
    ...legacy,
    /** whereabouts': more networks; one address is given of each. */
    ipRanges: optional(list(goObject(legacy))),
    /** whereabouts': networks with different names may give the same address. */
    network_name: optionalText(poolName()),
    /** whereabouts': addresses that a result has as they are. */
    addresses: optional(list(goObject({
      /** An address with its prefix length. */
      address: cidr(),
      /** The gateway in the address's network. */
      gateway: optionalText(ip()),
    }))),
  };
}

function connectionKeys() {
  return {
    /** Where etcd is. */
    etcd: optional(goObject({
      /** URLs of members, as `https://10.0.0.1:2379`; tried in this order. */
      endpoints: list(endpoint()),
      /** Certificates of the authorities that vouch for the members: a PEM file. */
      caFile: optionalText(string()),
      /** A certificate to secure the transport with: a PEM file. It gives no user of etcd. */
      certFile: optionalText(string()),
      /** The private key of `certFile`: a PEM file. */
      keyFile: optionalText(string()),
      /** A user of etcd, where it has authentication on. */
      username: optionalText(string()),
      /** A file with the user's password. */
      passwordFile: optionalText(string()),
      /** What every key begins with; `/cni/cluster-local` when absent. */
      prefix: optionalText(prefix()),
      /** How long a call may wait for etcd in all, in seconds; 10 when absent. */
      timeout: optional(integer({ min: 1, max: 110 })),
      /**
       * Keeps a lease of so many seconds alive with each STATUS: it tells others that this node was
       * seen lately. Nothing is released when it ends.
       */
      nodeLease: optional(integer({ min: 30, max: 86_400 })),
    })),
    /** This node's name; the kernel's node name when absent. Each machine has another. */
    node: optionalText(string()),
    /** whereabouts': a member of etcd, as `http://10.0.0.1:2379` or `10.0.0.1:2379`. */
    etcd_host: optionalText(string()),
    /** whereabouts': a user of etcd. */
    etcd_username: optionalText(string()),
    /** whereabouts': the user's password. */
    etcd_password: optionalText(string()),
    /** whereabouts': `keyFile` of `etcd`. */
    etcd_key_file: optionalText(string()),
    /** whereabouts': `certFile` of `etcd`. */
    etcd_cert_file: optionalText(string()),
    /** whereabouts': `caFile` of `etcd`. */
    etcd_ca_cert_file: optionalText(string()),
  };
}

/** Makes the schema of a URL without a path. */
function endpoint(): Schema<string> {
  return customSchema(
    'a URL such as "https://10.0.0.1:2379"',
    (value) => typeof value === "string" ? parseEndpoint(value) : undefined,
  );
}

/** Reads a member's URL; undefined for anything else. */
export function parseEndpoint(text: string): string | undefined {
  return /^https?:\/\/[^/?#@\s]+\/?$/.test(text) ? text.replace(/\/$/, "") : undefined;
}

function prefix(): Schema<string> {
  const isPrefix = (text: string) => /^(\/[\w.-]+)+\/?$/.test(text);
  return customSchema(
    'a key such as "/cni/cluster-local"',
    (value) => typeof value === "string" && isPrefix(value) ? value.replace(/\/$/, "") : undefined,
  );
}

function poolName(): Schema<string> {
  return customSchema(
    "a name of letters, digits and .-_: that begins with a letter or digit",
    (value) => typeof value === "string" && isPoolName(value) ? value : undefined,
  );
}

function isPoolName(text: string): boolean {
  return /^[A-Za-z0-9][\w.:-]*$/.test(text);
}

/**
 * Makes the schema of a whereabouts range: a subnet whose host bits are ignored, or two ends and a
 * prefix length.
 */
function subnetOrSpan(): Schema<{ subnet: Cidr } & Partial<Span>> {
  return customSchema(
    'a network such as "10.1.0.0/16" or "10.1.0.10-10.1.0.99/16"',
    (value) => {
      if (typeof value !== "string") return undefined;
      const [left = "", right] = value.split("-");
      const whole = Cidr.tryParse((right ?? left).trim());
      if (!whole) return undefined;
      const subnet = new Cidr(whole.first(), whole.prefix);
      if (right === undefined) return { subnet };
      const first = IpAddress.tryParse(left.trim());
      return first && subnet.contains(first) ? { subnet, first, last: whole.ip } : undefined;
    },
  );
}

/** Makes the schema of consecutive addresses: a network, one address, or two ends. */
function span(): Schema<Span> {
  return customSchema(
    'addresses such as "10.1.0.0/28", "10.1.0.9" or "10.1.0.5-10.1.0.9"',
    (value) => typeof value === "string" ? parseSpan(value) : undefined,
  );
}

function parseSpan(text: string): Span | undefined {
  const network = Cidr.tryParse(text);
  if (network) return { first: network.first(), last: network.last() };
  const ends = text.split("-").map((end) => IpAddress.tryParse(end.trim()));
  const [first, last = first] = ends;
  const isSpan = ends.length <= 2 && first && last && first.family === last.family;
  return isSpan && first.compare(last) <= 0 ? { first, last } : undefined;
}
