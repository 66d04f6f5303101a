/**
 * Filters, and the qdisc `ingress` or `clsact` that they are attached to: a device has only one.
 * One of another program (a network policy, an administrator's counters) is shared, and stays when
 * the filters are removed.
 *
 * @module
 */
import {
  INGRESS_HANDLE,
  TC_H_CLSACT_EGRESS,
  TC_H_CLSACT_INGRESS,
} from "../../../lib/netlink/tc.ts";
import type { Filter } from "../../../lib/rtnl/filter.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";

/** Towards the container, or from it. */
export type Direction = "ingress" | "egress";

/** The qdiscs that filters can be attached to. */
export type Kind = "ingress" | "clsact";

/** The qdisc of a device's filters. */
export interface Hook {
  kind: Kind;
  /** TC_H_*, by the container's direction; the qdisc `ingress` has only received packets. */
  parents: { egress: number; ingress?: number };
  /** The number that the filters' priorities are added to. */
  basePriority: number;
}

/** A filter and its parent. */
interface Attached {
  parent: number;
  filter: Filter;
}

/** The number of priorities that the filters use. */
const PRIORITIES = 6;

/** The base priority in the plugin's own qdisc. */
const OWN_BASE = 0;

/**
 * The base priority in another program's qdisc: above the low numbers that people and programs
 * choose, and below those that `tc` assigns downwards from 49152.
 */
const SHARED_BASE = 0xbb00;

/** Describes a qdisc that is made for the filters, and removed with them. */
export function ownHook(kind: Kind): Hook {
  return { kind, parents: parentsOf(kind), basePriority: OWN_BASE };
}

/** Finds the present qdisc, another program's or this plugin's; undefined where there is none. */
export function presentHook(host: Rtnl, device: Link): Hook | undefined {
  const present = host.qdisc.list(device).find(({ handle }) => handle === INGRESS_HANDLE);
  if (!present) return undefined;
  const kind = present.kind as Kind;
  return { kind, parents: parentsOf(kind), basePriority: SHARED_BASE };
}

function parentsOf(kind: Kind): Hook["parents"] {
  if (kind === "ingress") return { egress: INGRESS_HANDLE };
  return { egress: TC_H_CLSACT_INGRESS, ingress: TC_H_CLSACT_EGRESS };
}

/**
 * Finds the parent of a direction's filters. @throws {CniError} code 999 where the qdisc has none
 */
export function parentOf({ kind, parents }: Hook, direction: Direction, device: Link): number {
  const parent = parents[direction];
  if (parent !== undefined) return parent;
  throw CniError.internal(
    `${device.name} has somebody else's ${kind} discipline, which sees nothing of what goes to the ` +
      'container, and "shapedSubnets" and "unshapedSubnets" need that: whoever made it must use ' +
      "clsact instead, or all networks be limited alike",
  );
}

/** Lists this plugin's filters of one direction. */
export function ownFilters(host: Rtnl, device: Link, direction: Direction): Filter[] {
  const hook = presentHook(host, device);
  const parent = hook?.parents[direction];
  if (!hook || parent === undefined) return [];
  const { filters } = findOwn(host, device, hook);
  return filters.filter((each) => each.parent === parent).map(({ filter }) => filter);
}

/** Finds the veth device whose filter redirects to an ifb device; undefined where none does. */
export function senderTo(host: Rtnl, ifb: Link): Link | undefined {
  return host.link.list({ kind: "veth" }).find((device) =>
    Object.values(presentHook(host, device)?.parents ?? {}).some((parent) =>
      host.filter.list(device, parent).some(({ redirectTo }) => redirectTo === ifb.index)
    )
  );
}

/** Removes this plugin's filters from a device, and the qdisc where it was made for them. */
export function removeFilters(host: Rtnl, device: Link): void {
  const hook = presentHook(host, device);
  if (!hook) return;
  const { filters, others, isShared } = findOwn(host, device, hook);
  if (filters.length === 0) return;
  if (!isShared && others === 0) return host.qdisc.removeIngressIfPresent(device);
  for (const { parent, filter } of filters) host.filter.removeIfPresent(device, parent, filter);
}

/** Finds this plugin's filters on a device, and the number of others. */
function findOwn(host: Rtnl, device: Link, { parents }: Hook): {
  filters: Attached[];
  others: number;
  isShared: boolean;
} {
  const all = Object.values(parents).flatMap((parent): Attached[] =>
    host.filter.list(device, parent).map((filter) => ({ parent, filter }))
  );
  const shared = all.filter(({ filter }) => isWithin(filter, SHARED_BASE));
  const own = all.filter(({ filter }) => isWithin(filter, OWN_BASE));
  // Other programs use low numbers too: filters without a redirection to an ifb are theirs.
  const isOurs = own.some(({ filter }) => sendsToIfb(host, filter));
  const filters = shared.length > 0 ? shared : isOurs ? own : [];
  return { filters, others: all.length - filters.length, isShared: shared.length > 0 };
}

function isWithin({ kind, priority }: Filter, base: number): boolean {
  return kind === "u32" && priority > base && priority <= base + PRIORITIES;
}

/** Whether a filter redirects to an ifb device, also to one that is gone. */
function sendsToIfb(host: Rtnl, { redirectTo }: Filter): boolean {
  if (redirectTo === undefined) return false;
  const target = host.link.find(redirectTo);
  return target === undefined || target.kind === "ifb";
}
