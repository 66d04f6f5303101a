/** Which links of a host and a container belong together. */
import type { Link } from "../rtnl/link.ts";

/**
 * Whether two links are the ends of one veth pair.
 *
 * @param id the `nsid` of the container's namespace in the host's: ip-netns(8)
 */
export function isPeer(inside: Link, outside: Link, id: number | undefined): boolean {
  return inside.kind === "veth" && outside.kind === "veth" && id !== undefined &&
    outside.parentNetnsId === id && outside.parent === inside.index &&
    inside.parent === outside.index;
}

/**
 * Whether a container's link is made on one of the host's.
 *
 * @param id the `nsid` of the host's namespace in the container's: ip-netns(8)
 */
export function isParent(inside: Link, outside: Link, id: number | undefined): boolean {
  return inside.kind !== "veth" && id !== undefined && inside.parentNetnsId === id &&
    inside.parent === outside.index;
}
