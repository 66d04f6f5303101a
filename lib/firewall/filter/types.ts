/** The types of filtering, independent of the backend. */
import type { IpAddress } from "../../ip/address.ts";
import type { Attachment } from "../../types/attachment.ts";
import type { Backend } from "../backend_names.ts";
import type { RecordedNetNs } from "../../ns/recorded.ts";

/** A chain's name that is no option of iptables, and none of its built-in chains and targets. */
export const ADMIN_CHAIN =
  /^(?!(-.*|INPUT|FORWARD|OUTPUT|CNI-FORWARD|CNI-ISOLATION-STAGE-[12]|forward|isolation)$)[\w.-]{0,28}$/;

/** A zone's name, or none. */
export const ZONE = /^[\w-]*$/;

/** The backends that accept a container's packets. */
export const FILTER_BACKENDS = ["iptables", "nftables", "firewalld"] as const;
/** @see FILTER_BACKENDS */
export type FilterBackend = typeof FILTER_BACKENDS[number];

/**
 * The policies: a container is reached by anyone, by containers of its bridge, or by no container.
 */
export const INGRESS_POLICIES = ["open", "same-bridge", "isolated"] as const;
/** @see INGRESS_POLICIES */
export type IngressPolicy = typeof INGRESS_POLICIES[number];

/** The filter of an attachment. */
export interface FilterEntry {
  attachment: Attachment;
  /** The backend that accepts its packets. */
  backend: FilterBackend;
  /** The backend that enforces the policy: `backend`, unless that is firewalld, which cannot. */
  enforcer: Backend;
  ips: readonly IpAddress[];
  /** The administrator's chain, which comes first. */
  adminChain: string;
  /** firewalld's zone. */
  zone: string;
  policy: IngressPolicy;
  /** The bridge of the policy; empty for policy `open`. */
  bridge: string;
  /** iptables: without the rule for published ports, which earlier versions did not make. */
  ignoresPublished?: boolean;
  /**
   * Made by the Go plugins, which add a policy's rules only in the families of the container's
   * addresses, in earlier versions with other comments. Absent for this project's own.
   */
  made?: "by Go";
  netns?: RecordedNetNs;
}

/** Finds the policy of a bridge: the strictest of its entries. */
export function policyOf(bridge: string, entries: readonly FilterEntry[]): IngressPolicy {
  const policies = entries.filter((entry) => entry.bridge === bridge).map(({ policy }) => policy);
  return INGRESS_POLICIES.findLast((policy) => policies.includes(policy)) ?? "open";
}

/** Reads the entries of all notes: the time grows with their number. */
export type ReadEntries = () => readonly FilterEntry[];

/** The interface of every backend. The caller holds the lock. */
export interface PacketFilter {
  /**
   * Adds the missing rules of `entries`: those with this backend or enforcer.
   * @param all reads every entry, these included; called only where a rule depends on others
   * @param isNew whether `entries` had no rules before
   */
  add(
    entries: readonly FilterEntry[],
    all: ReadEntries,
    isNew?: boolean,
  ): Promise<void>;
  /**
   * Removes the rules of `ips` and of bridges without a policy, unless `others` need them, then
   * unused chains. Starts no program where there are none.
   */
  remove(gone: Removal, others: readonly FilterEntry[]): Promise<void>;
  /**
   * Lists the addresses whose rules name an attachment of a network that is not in `valid`: those
   * without a note that can be read, too. Absent where rules name no attachment.
   */
  orphans?(network: string, valid: readonly Attachment[]): readonly IpAddress[];
  /**
   * Describes for each of `entries` a missing part of what {@link add} made; undefined where none
   * is. Reads the rules once.
   * @param all as for {@link add}
   */
  missing(
    entries: readonly FilterEntry[],
    all: ReadEntries,
  ): Promise<(string | undefined)[]>;
}

/** Selects rules for removal. */
export interface Removal {
  ips: readonly IpAddress[];
  bridges: readonly string[];
  /** Zones of firewalld that the addresses may be in. */
  zones: readonly string[];
  adminChains: readonly string[];
  /** The attachment, where it had no note. */
  attachment?: Attachment;
  /** Whether bridges and chains stay: the owner of an unreadable note may need them. */
  keepShared?: boolean;
}
