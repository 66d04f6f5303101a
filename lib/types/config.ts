/** The keys that every plugin's configuration may have (specification, section 1). */
import type { Attachment } from "./attachment.ts";
import { CniError } from "./error.ts";
import { Fields } from "./fields.ts";
import type { JsonObject } from "./json.ts";

/** What a resolver needs; every part may be absent. */
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
  /** What the plugin wants `runtimeConfig` to have, by name. */
  capabilities?: Record<string, boolean>;
  /** The IPAM plugin's part; its `type` names the plugin. */
  ipam?: { type?: string } & JsonObject;
  /** What the result is to tell about name resolution where IPAM tells nothing. */
  dns?: Dns;
  /** The result of the plugins before this one, in the configuration's version. */
  prevResult?: JsonObject;
  /** Values for the capabilities, from the runtime. */
  runtimeConfig?: JsonObject;
  /** Arguments by the conventions; those for plugins of this field under `cni`. */
  args?: JsonObject;
  /** `cni.dev/valid-attachments`, which only GC gets. */
  validAttachments?: Attachment[];
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
  "cni.dev/valid-attachments",
] as const;

/** The keys of {@linkcode Dns}, in the order in which results print them. */
export const DNS_KEYS = [
  "nameservers",
  "domain",
  "search",
  "options",
] as const satisfies (keyof Dns)[];

/**
 * The common keys of a plugin's configuration. `raw` is left alone: it, with all that is unknown
 * here, is what other plugins are given. Key case does not matter, and null is as good as absent.
 *
 * @throws {CniError} code 7 naming the key, its value and the type that it should have.
 */
export function readNetConf(raw: JsonObject): NetConf {
  const fields = new Fields(
    raw,
    KEYS,
    "",
    (text) => CniError.invalidConfig(`invalid network configuration: ${text}`),
  );
  const conf: NetConf = {
    cniVersion: fields.string("cniVersion") || "0.1.0",
    name: fields.string("name") ?? "",
    type: fields.string("type") ?? "",
  };
  const ipam = fields.inner("ipam", ["type"]);
  ipam?.string("type");
  const dns = fields.inner("dns", DNS_KEYS);
  const attachments = fields.each("cni.dev/valid-attachments", ["containerID", "ifname"]);
  return withoutUndefined({
    ...conf,
    capabilities: fields.booleans("capabilities"),
    ipam: ipam?.values as NetConf["ipam"],
    dns: dns && readDns(dns),
    prevResult: fields.object("prevResult"),
    runtimeConfig: fields.object("runtimeConfig"),
    args: fields.object("args"),
    validAttachments: attachments?.map((attachment) => ({
      network: conf.name,
      containerId: attachment.string("containerID") ?? "",
      ifName: attachment.string("ifname") ?? "",
    })),
  });
}

/** Reads a `dns` object whose keys are {@linkcode DNS_KEYS}; keys beyond those stay in it. */
export function readDns(fields: Fields): Dns {
  for (const key of ["nameservers", "search", "options"]) fields.strings(key);
  fields.string("domain");
  return fields.values as Dns;
}

/** Whether there is nothing in `dns`, which is then left out of results from 1.0.0 on. */
export function isEmptyDns(dns: Dns | undefined): boolean {
  return Object.values(dns ?? {}).every((part) => !part || part.length === 0);
}

/** `object` without the keys whose value is undefined. */
function withoutUndefined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
