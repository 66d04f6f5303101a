/** The keys that every plugin's configuration may have (specification, section 1). */
import type { Attachment } from "./attachment.ts";
import { CniError } from "./error.ts";
import { Fields } from "./fields.ts";
import { getFold, type JsonObject } from "./json.ts";

/** Settings for the container's resolver; every part may be absent. */
export interface Dns {
  /** Addresses of name servers, the preferred first. */
  nameservers?: string[];
  /** The local domain, for names without a dot. */
  domain?: string;
  /** Domains to look names up in, the preferred first. */
  search?: string[];
  /** Options for the resolver, as in resolv.conf(5). */
  options?: string[];
}

/** One plugin's configuration, its common keys checked. */
export interface NetConf {
  /** "0.1.0" where the configuration has none. */
  cniVersion: string;
  /** "" where the configuration has none, and not checked otherwise. */
  name: string;
  /** "" where the configuration has none, and not checked otherwise. */
  type: string;
  /** Capabilities that the runtime is to give values for in `runtimeConfig`, by name. */
  capabilities?: Record<string, boolean>;
  /** The IPAM plugin's part; its `type` names the plugin. */
  ipam?: { type?: string } & JsonObject;
  /** Settings for the container's resolver, for the result where the IPAM plugin returns none. */
  dns?: Dns;
  /** The result of the plugins before this one, in the configuration's version. */
  prevResult?: JsonObject;
  /** Values for the capabilities, from the runtime. */
  runtimeConfig?: JsonObject;
  /** Arguments as in CNI's conventions (`CONVENTIONS.md`); those for plugins are under `cni`. */
  args?: JsonObject;
}

const KEYS = [
  "cniVersion",
  "name",
  "type",
  "capabilities",
  "ipam",
  "dns",
  "prevResult",
  "runtimeConfig",
  "args",
] as const;

/**
 * The key of GC's list of attachments, and the name that the Go library first gave it by mistake.
 */
const VALID_ATTACHMENTS = ["cni.dev/valid-attachments", "cni.dev/attachments"] as const;

/** The keys of {@linkcode Dns}, in the order in which results print them. */
export const DNS_KEYS = [
  "nameservers",
  "domain",
  "search",
  "options",
] as const satisfies (keyof Dns)[];

/** How {@linkcode readNetConf} reads. */
export interface ReadOptions {
  /**
   * True for DEL and GC: a key of the wrong type counts as absent, except those that say what is to
   * be removed (`cniVersion`, `name`, `type`).
   */
  removing?: boolean;
}

/**
 * Reads the common keys of a plugin's configuration. `raw` is not changed: it is what other plugins
 * are given, unknown keys included. Key case does not matter, and null counts as absent.
 *
 * @throws {CniError} code 7 naming the key, its value and the type that it should have.
 */
export function readNetConf(raw: JsonObject, { removing = false }: ReadOptions = {}): NetConf {
  const fields = fieldsOf(raw, KEYS);
  const read = <T>(key: typeof KEYS[number], value: () => T): T | undefined => {
    if (fields.values[key] === undefined) return undefined; // most are absent
    try {
      return value();
    } catch (error) {
      if (removing) return undefined;
      throw error;
    }
  };
  const conf: NetConf = {
    cniVersion: fields.string("cniVersion") || "0.1.0",
    name: fields.string("name") ?? "",
    type: fields.string("type") ?? "",
  };
  return withoutUndefined({
    ...conf,
    capabilities: read("capabilities", () => fields.booleans("capabilities")),
    ipam: read("ipam", () => readIpam(fields)),
    dns: read("dns", () => {
      const dns = fields.inner("dns", DNS_KEYS);
      return dns && readDns(dns);
    }),
    prevResult: read("prevResult", () => fields.object("prevResult")),
    runtimeConfig: read("runtimeConfig", () => fields.object("runtimeConfig")),
    args: read("args", () => fields.object("args")),
  });
}

function readIpam(fields: Fields): NetConf["ipam"] {
  const ipam = fields.inner("ipam", ["type"]);
  ipam?.string("type");
  return ipam?.values as NetConf["ipam"];
}

/**
 * Reads the attachments that GC must keep. null is an empty list, as the Go library writes it.
 *
 * @throws {CniError} code 7 where there is no list, or an entry names no attachment: whatever is
 * not in the list would be removed
 */
export function readValidAttachments(raw: JsonObject, network: string): Attachment[] {
  const key = VALID_ATTACHMENTS.find((name) => (getFold(raw, name) ?? null) !== null);
  if (key === undefined) {
    if (VALID_ATTACHMENTS.some((name) => getFold(raw, name) === null)) return [];
    throw CniError.invalidConfig(
      `GC needs the list ${JSON.stringify(VALID_ATTACHMENTS[0])} of the attachments that are in ` +
        `use: whatever else network ${JSON.stringify(network)} has would be removed; where none ` +
        "is in use, it is []",
    );
  }
  const entries = fieldsOf(raw, [key]).each(key, ["containerID", "ifname"]) ?? [];
  return entries.map((entry) => {
    const required = (part: "containerID" | "ifname") => {
      const text = entry.string(part);
      if (text) return text;
      throw entry.mismatch(part, "the name of an attachment's part, which is not empty");
    };
    return { network, containerId: required("containerID"), ifName: required("ifname") };
  });
}

function fieldsOf(raw: JsonObject, keys: readonly string[]): Fields {
  return new Fields(
    raw,
    keys,
    "",
    (text) => CniError.invalidConfig(`invalid network configuration: ${text}`),
  );
}

/** Reads a `dns` object whose keys are {@linkcode DNS_KEYS}; keys beyond those stay in it. */
export function readDns(fields: Fields): Dns {
  for (const key of ["nameservers", "search", "options"]) fields.strings(key);
  fields.string("domain");
  return fields.values as Dns;
}

/** Tells whether `dns` is empty; results from 1.0.0 on then leave it out. */
export function isEmptyDns(dns: Dns | undefined): boolean {
  return Object.values(dns ?? {}).every((part) => !part || part.length === 0);
}

/** Returns `object` without the keys whose value is undefined. */
function withoutUndefined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  const rest: Partial<T> = {};
  for (const key of Object.keys(object) as (keyof T)[]) {
    if (object[key] !== undefined) rest[key] = object[key];
  }
  return rest as T;
}
