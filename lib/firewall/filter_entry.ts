/** What may be sent to and from one attachment, as it is installed and kept on disk. */
import { IpAddress } from "../ip/address.ts";
import type { JsonObject } from "../types/json.ts";
import type { Attachment } from "../types/attachment.ts";
import type { Backend } from "./backend.ts";
import { forget, type NotedNetNs, recall, recallAll, remember } from "./installed.ts";

/** Who lets a container's packets through. */
export const FILTER_BACKENDS = ["iptables", "nftables", "firewalld"] as const;
/** @see FILTER_BACKENDS */
export type FilterBackend = typeof FILTER_BACKENDS[number];

/** What may reach a container: anything, its own bridge's containers, or no container. */
export const INGRESS_POLICIES = ["open", "same-bridge", "isolated"] as const;
/** @see INGRESS_POLICIES */
export type IngressPolicy = typeof INGRESS_POLICIES[number];

/** One attachment's entry. */
export interface FilterEntry {
  attachment: Attachment;
  /** Who lets its packets through. */
  backend: FilterBackend;
  /** Who enforces the policy: the backend, unless that is firewalld, which cannot. */
  enforcer: Backend;
  ips: readonly IpAddress[];
  /** The administrator's chain, which is asked first. */
  adminChain: string;
  /** firewalld's zone. */
  zone: string;
  policy: IngressPolicy;
  /** The bridge that the policy is about; empty when it is open. */
  bridge: string;
  netns: NotedNetNs;
}

/** Keeps an entry on disk. */
export function rememberEntry({ attachment, ips, netns, ...rest }: FilterEntry): void {
  remember("filter", attachment, { ...rest, netns: { ...netns }, ips: ips.map(String) });
}

/** Removes an entry from disk. */
export function forgetEntry(attachment: Attachment): void {
  forget("filter", attachment);
}

/** The entry of an attachment; undefined when there is none. */
export function recallEntry(attachment: Attachment): FilterEntry | undefined {
  const noted = recall("filter", attachment);
  return noted && fromJson(noted);
}

/** All entries. */
export function recallEntries(): FilterEntry[] {
  return recallAll("filter").map(fromJson);
}

/** These files are written here and nowhere else: what is in them has the types it had. */
function fromJson(noted: JsonObject): FilterEntry {
  const { network, containerId, ifName, ips, ...rest } = noted as unknown as
    & Attachment
    & Omit<FilterEntry, "attachment" | "ips">
    & { ips: string[] };
  return {
    ...rest,
    attachment: { network, containerId, ifName },
    ips: ips.map((text) => IpAddress.parse(text)),
  };
}

/** Whether two entries are of the same attachment. */
export function isSame({ attachment: a }: FilterEntry, b: Attachment): boolean {
  return a.network === b.network && a.containerId === b.containerId && a.ifName === b.ifName;
}

/** How a bridge is to be treated, all its entries taken together: the strictest wins. */
export function policyOf(bridge: string, entries: readonly FilterEntry[]): IngressPolicy {
  const policies = entries.filter((entry) => entry.bridge === bridge).map(({ policy }) => policy);
  return INGRESS_POLICIES.findLast((policy) => policies.includes(policy)) ?? "open";
}
