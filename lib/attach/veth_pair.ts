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
export async function removePair(call: DelCall): Promise<void> {
  using host = Rtnl.open();
  // Each, whatever the others find: a killed ADD may have left a pair beside the one in use.
  const byName = await removeByName(host, call.attachment);
  const byNearEnd = await removeByNearEnd(host, call);
  if (!byName && !byNearEnd) await removeByAlias(host, call.attachment);
}

/** Takes back a pair that an ADD made, and no other of its attachment's. */
export async function takeBackPair({ far }: VethPair): Promise<void> {
  using host = Rtnl.open();
  await host.link.removeMeanwhile(far);
}

/** Removes the pairs of a network's attachments that are not valid. */
export async function removeOrphanPairs(
  network: string,
  valid: readonly Attachment[],
): Promise<void> {
  const isOrphan = orphans(network, valid, (attachment) => [hostVethName(attachment)]);
  using host = Rtnl.open();
  for (const link of host.link.list({ kind: KIND })) {
    if (isOrphan(link)) await host.link.removeMeanwhile(link);
  }
}

/**
 * Removes the pair whose host's end has the attachment's own name. Without an alias it was left by
 * an ADD that was killed before it set one.
 */
async function removeByName({ link: links }: Rtnl, attachment: Attachment): Promise<boolean> {
  const link = await links.findMeanwhile(hostVethName(attachment));
  if (link?.kind !== KIND) return false;
  if (link.alias !== undefined && link.alias !== attachmentAlias(attachment)) return false;
  return await links.removeMeanwhile(link);
}

/**
 * Removes the pair by the container's end. An interface of another kind is another plugin's, and
 * stays.
 */
async function removeByNearEnd(host: Rtnl, call: DelCall): Promise<boolean> {
  using sandbox = NetNs.openIfPresent(call.netns);
  if (!sandbox) return false;
  using inside = Rtnl.open(sandbox);
  const near = await inside.link.findMeanwhile(call.ifName);
  if (near?.kind !== KIND || near.name !== call.ifName) return false;
  if (isAnothers(call, near, findHostEnd(host, sandbox, near)?.alias)) return false;
  return await inside.link.removeMeanwhile(near);
}

/**
 * Removes the pairs whose host's end has the attachment's alias: earlier versions gave it a random
 * name.
 */
async function removeByAlias({ link: links }: Rtnl, attachment: Attachment): Promise<void> {
  const alias = attachmentAlias(attachment);
  for (const link of links.list({ kind: KIND })) {
    if (link.alias === alias) await links.removeMeanwhile(link);
  }
}
