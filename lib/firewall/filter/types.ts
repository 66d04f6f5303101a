/** What filtering is, whatever does it. */
import type { IpAddress } from "../../ip/address.ts";
import type { Attachment } from "../../types/attachment.ts";
import type { Backend } from "../backend.ts";
import type { RecordedNetNs } from "../../ns/recorded.ts";

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
  /** iptables: what comes to published ports is not accepted, as earlier versions left it. */
  ignoresPublished?: boolean;
  /**
   * Absent for one's own. The Go plugins make a policy's rules only in the families of the
   * container's addresses, and with other comments in earlier versions.
   */
  made?: "by Go";
  netns?: RecordedNetNs;
}

/** How a bridge is to be treated, all its entries taken together: the strictest wins. */
export function policyOf(bridge: string, entries: readonly FilterEntry[]): IngressPolicy {
  const policies = entries.filter((entry) => entry.bridge === bridge).map(({ policy }) => policy);
  return INGRESS_POLICIES.findLast((policy) => policies.includes(policy)) ?? "open";
}

/** Reads the entries that are noted, which takes the longer the more there are. */
export type ReadEntries = () => readonly FilterEntry[];

/** What each backend can do. The lock is held. */
export interface Filter {
  /**
   * Makes what is missing for `entries`, those that it lets through and those whose policy it
   * enforces.
   * @param all reads every entry there is, these included; asked only where something depends on
   * others
   * @param isNew whether nothing was there for `entries` before
   */
  add(
    entries: readonly FilterEntry[],
    all: ReadEntries,
    isNew?: boolean,
  ): Promise<void>;
  /**
   * Removes what is there for `ips` and for bridges without a policy, unless `others` need it; and
   * whatever nobody needs any more. Starts no program where nothing is there.
   */
  remove(gone: Removal, others: readonly FilterEntry[]): Promise<void>;
  /**
   * Finds what is missing of what {@link add} made, for each of `entries`; undefined where nothing
   * is. Reads the rules once.
   * @param all as for {@link add}
   */
  missing(
    entries: readonly FilterEntry[],
    all: ReadEntries,
  ): Promise<(string | undefined)[]>;
}

/** What is no longer needed. */
export interface Removal {
  ips: readonly IpAddress[];
  bridges: readonly string[];
  /** Zones of firewalld that the addresses may be in. */
  zones: readonly string[];
  adminChains: readonly string[];
  /** Whose it was, where no note said what he had. */
  attachment?: Attachment;
  /** Whether bridges and chains are kept: somebody may need them of whom nothing can be read. */
  keepShared?: boolean;
}
