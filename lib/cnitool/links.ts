/** Which links of a host and a container belong together. */
import type { Link } from "../rtnl/link.ts";

/**
 * Whether two links are the ends of one veth pair.
 *
 * @param id the container's namespace, as the host's links call it
 */
export function isPeer(inside: Link, outside: Link, id: number | undefined): boolean {
  return inside.kind === "veth" && outside.kind === "veth" && id !== undefined &&
    outside.parentNetnsId === id && outside.parent === inside.index &&
    inside.parent === outside.index;
}

/**
 * Whether a container's link is made on one of the host's.
 *
 * @param id the host's namespace, as the container's links call it
 */
export function isParent(inside: Link, outside: Link, id: number | undefined): boolean {
  return inside.kind !== "veth" && id !== undefined && inside.parentNetnsId === id &&
    inside.parent === outside.index;
}
