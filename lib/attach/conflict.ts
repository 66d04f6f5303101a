/**
 * Finds the interface for which the kernel answered EBUSY or EEXIST.
 *
 * @module
 */
import type { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";
import { netnsId } from "../rtnl/netns_id.ts";
import type { Rtnl } from "../rtnl/rtnl.ts";
import { NetlinkError } from "../nl/error.ts";
import { CniError } from "../types/error.ts";
import type { Namespaces } from "./namespaces.ts";
import { findParent, parentSide } from "./parent.ts";
import { enterVisible } from "./visible.ts";

/**
 * An interface that may conflict: the parent, the parent's master, or another one on the parent.
 */
export interface Candidate {
  role: "parent" | "controller" | "sibling";
  link: Link;
  /** A socket in its namespace, and the namespace's name for messages. */
  rtnl: Rtnl;
  where: string;
}

/** A property that only one interface can have. */
export interface Conflict {
  /** The kernel's errors. */
  errors: readonly string[];
  /** A description of the property: "VLAN 5 of eth1". */
  what: string;
  /** Whether this interface has it. */
  holds(candidate: Candidate, error: NetlinkError): boolean;
}

/** The interface that could not be made, or not set up. */
export interface RefusedLink {
  ifName: string;
  /** Empty for the interface of the default route. */
  parentName: string;
  linkInContainer: boolean;
}

/**
 * Makes an error that names the conflicting interface; returns the kernel's own where none is
 * found. Searches every namespace that can be seen: an ADD that has failed has time for that.
 */
export function explainConflict(
  error: unknown,
  namespaces: Namespaces,
  refused: RefusedLink,
  conflicts: readonly Conflict[],
): unknown {
  if (!(error instanceof NetlinkError)) return error;
  for (const { errors, what, holds } of conflicts) {
    if (!errors.includes(error.code)) continue;
    for (const candidate of candidates(namespaces, refused)) {
      if (!holds(candidate, error)) continue;
      const { link: { name, kind }, where } = candidate;
      return CniError.internal(
        `${what} is already in use by ${kind || "device"} ${name} ${where}: ${error.message}`,
      );
    }
  }
  return error;
}

function* candidates(namespaces: Namespaces, refused: RefusedLink): Generator<Candidate> {
  const { rtnl, netns, where } = parentSide(namespaces, refused);
  const parent = findParent({ rtnl, where }, refused.parentName);
  yield { role: "parent", link: parent, rtnl, where };
  if (parent.master) {
    yield { role: "controller", link: rtnl.link.get(parent.master), rtnl, where };
  }
  const isOwn = (netns: NetNs, link: Link) =>
    netns.is(namespaces.sandbox) && link.name === refused.ifName;
  for (const link of rtnl.link.list()) {
    if (link.parent !== parent.index || link.parentNetnsId !== undefined) continue;
    if (!isOwn(netns, link)) yield { role: "sibling", link, rtnl, where };
  }
  for (const { netns: other, rtnl: there } of enterVisible(netns)) {
    const id = netnsId(there, netns);
    if (id === undefined) continue; // nothing there has a parent on this side
    for (const link of there.link.list()) {
      if (link.parent !== parent.index || link.parentNetnsId !== id) continue;
      if (!isOwn(other, link)) {
        yield { role: "sibling", link, rtnl: there, where: `in ${other.path}` };
      }
    }
  }
}
