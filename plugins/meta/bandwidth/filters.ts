/**
 * What filters are attached to: the discipline `ingress` or `clsact`, of which a device has one.
 * Where somebody else's is there (a network policy's programs, an administrator's counters), the
 * filters go there too, and leave it as it was when they go.
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

/** The disciplines that filters can be attached to. */
export type Kind = "ingress" | "clsact";

/** Where a device's filters are attached. */
export interface Hook {
  kind: Kind;
  /** TC_H_*, by the direction as the container has it; `ingress` sees only what arrives. */
  parents: { egress: number; ingress?: number };
  /** What the filters' priorities count from. */
  basePriority: number;
}

/** A filter, and what it is attached to. */
interface Attached {
  parent: number;
  filter: Filter;
}

/** How many priorities the filters have. */
const PRIORITIES = 6;

/** In a discipline of one's own. */
const OWN_BASE = 0;

/**
 * In somebody else's: behind the low numbers that people and programs write, and before those that
 * `tc` counts down from 49152 for filters without a priority.
 */
const SHARED_BASE = 0xbb00;

/** A discipline that is made for the filters, and goes with them. */
export function ownHook(kind: Kind): Hook {
  return { kind, parents: parentsOf(kind), basePriority: OWN_BASE };
}

/** Somebody else's discipline, or that of filters made before; undefined where there is none. */
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

/** The parent of a direction's filters. @throws {CniError} code 999 where the discipline has none */
export function parentOf({ kind, parents }: Hook, direction: Direction, device: Link): number {
  const parent = parents[direction];
  if (parent !== undefined) return parent;
  throw CniError.internal(
    `${device.name} has somebody else's ${kind} discipline, which sees nothing of what goes to the ` +
      'container, and "shapedSubnets" and "unshapedSubnets" need that: whoever made it must use ' +
      "clsact instead, or all networks be limited alike",
  );
}

/** This plugin's filters of one direction, in whichever discipline. */
export function ownFilters(host: Rtnl, device: Link, direction: Direction): Filter[] {
  const hook = presentHook(host, device);
  const parent = hook?.parents[direction];
  if (!hook || parent === undefined) return [];
  const { filters } = findOwn(host, device, hook);
  return filters.filter((each) => each.parent === parent).map(({ filter }) => filter);
}

/** The veth device with a filter that sends packets to an ifb device; undefined where none does. */
export function senderTo(host: Rtnl, ifb: Link): Link | undefined {
  return host.link.list({ kind: "veth" }).find((device) =>
    Object.values(presentHook(host, device)?.parents ?? {}).some((parent) =>
      host.filter.list(device, parent).some(({ redirectTo }) => redirectTo === ifb.index)
    )
  );
}

/** Removes this plugin's filters from a device, and the discipline where it was made for them. */
export function removeFilters(host: Rtnl, device: Link): void {
  const hook = presentHook(host, device);
  if (!hook) return;
  const { filters, others, isShared } = findOwn(host, device, hook);
  if (filters.length === 0) return;
  if (!isShared && others === 0) return host.qdisc.removeIngressIfPresent(device);
  for (const { parent, filter } of filters) host.filter.removeIfPresent(device, parent, filter);
}

/** Which of a device's filters are this plugin's, and how many are not. */
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
  // Others use low numbers too: what nothing sends to an ifb device is theirs.
  const isOurs = own.some(({ filter }) => sendsToIfb(host, filter));
  const filters = shared.length > 0 ? shared : isOurs ? own : [];
  return { filters, others: all.length - filters.length, isShared: shared.length > 0 };
}

function isWithin({ kind, priority }: Filter, base: number): boolean {
  return kind === "u32" && priority > base && priority <= base + PRIORITIES;
}

/** Also to one that is gone by now. */
function sendsToIfb(host: Rtnl, { redirectTo }: Filter): boolean {
  if (redirectTo === undefined) return false;
  const target = host.link.find(redirectTo);
  return target === undefined || target.kind === "ifb";
}
