import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";

/**
 * The host's end of a veth pair; undefined for other links, and where the other end is not on the
 * host. Both ends need one MTU: the kernel drops what is larger than the receiving end's, and tells
 * nobody.
 */
export function findHostEnd(host: Rtnl, link: Link): Link | undefined {
  if (link.kind !== "veth" || link.parent === undefined) return undefined;
  const end = host.link.find(link.parent);
  // Indexes are each namespace's own: another interface may have this one.
  return end?.kind === "veth" && end.parent === link.index && end.index === link.parent
    ? end
    : undefined;
}
