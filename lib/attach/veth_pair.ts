/**
 * Removing veth pairs by their host's end, which stays on the host and tells whose a pair is.
 *
 * @module
 */
import { hostVethName } from "../ip/hash_names.ts";
import { attachmentAlias, orphans } from "../ip/mark.ts";
import { NetNs } from "../ns/netns.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import { findHostEnd, type VethPair } from "../rtnl/veth.ts";
import type { DelCall } from "../skel/plugin.ts";
import type { Attachment } from "../types/attachment.ts";
import { isAnothers } from "./owner.ts";

const KIND = "veth";

/**
 * Removes an attachment's pair, whether or not the container's namespace can still be named, and the
 * Go plugins' pairs, whose host's end has no alias, where it can. One that is gone already is fine.
 */
export function removePair(call: DelCall): void {
  using host = Rtnl.open();
  // Each, whatever the others find: a killed ADD may have left a pair beside the one in use.
  const removed = [removeByName(host, call.attachment), removeByNearEnd(host, call)];
  if (!removed.includes(true)) removeByAlias(host, call.attachment);
}

/** Takes back a pair that an ADD made, and no other of its attachment's. */
export function takeBackPair({ far }: VethPair): void {
  using host = Rtnl.open();
  host.link.removeIfPresent(far);
}

/** Removes the pairs of a network's attachments that are not valid. */
export function removeOrphanPairs(network: string, valid: readonly Attachment[]): void {
  const isOrphan = orphans(network, valid);
  using host = Rtnl.open();
  for (const link of host.link.list({ kind: KIND })) {
    if (isOrphan(link)) host.link.removeIfPresent(link);
  }
}

/** The name is the attachment's own; without an alias it was left in the moment before it got one. */
function removeByName({ link: links }: Rtnl, attachment: Attachment): boolean {
  const link = links.find(hostVethName(attachment));
  if (link?.kind !== KIND) return false;
  if (link.alias !== undefined && link.alias !== attachmentAlias(attachment)) return false;
  return links.removeIfPresent(link);
}

/** Interfaces of other kinds are somebody else's. */
function removeByNearEnd(host: Rtnl, call: DelCall): boolean {
  using sandbox = NetNs.openIfPresent(call.netns);
  if (!sandbox) return false;
  using inside = Rtnl.open(sandbox);
  const near = inside.link.find(call.ifName);
  if (near?.kind !== KIND || near.name !== call.ifName) return false;
  if (isAnothers(call, near, findHostEnd(host, sandbox, near)?.alias)) return false;
  return inside.link.removeIfPresent(near);
}

/** Pairs have had random names. */
function removeByAlias({ link: links }: Rtnl, attachment: Attachment): void {
  const alias = attachmentAlias(attachment);
  for (const link of links.list({ kind: KIND })) {
    if (link.alias === alias) links.removeIfPresent(link);
  }
}
