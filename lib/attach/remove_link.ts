/**
 * Removing the interface of an attachment that has no other trace, whether or not its namespace can
 * still be named.
 *
 * @module
 */
import { attachmentAlias, orphans } from "../ip/mark.ts";
import { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";
import { netnsId } from "../rtnl/netns_id.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import type { DelCall } from "../skel/plugin.ts";
import type { Attachment } from "../types/attachment.ts";
import { isAnothers } from "./owner.ts";
import { enterVisible } from "./visible.ts";

/**
 * Removes the container's interface; one that is gone already, with or without its namespace, is fine.
 * Where CNI_NETNS gives no namespace, or that of a newer container, something may keep the old one
 * alive: its interface is looked for, by its alias, in every namespace that can be seen.
 * @param kind what the plugin makes; an interface of another kind is somebody else's, and stays
 */
export function removeLink(call: DelCall, kind: string): void {
  using sandbox = NetNs.openIfPresent(call.netns);
  if (sandbox) {
    using inside = Rtnl.open(sandbox);
    const named = inside.link.find(call.ifName);
    const isOurs = named?.kind === kind && named.name === call.ifName;
    if (!isOurs || !isAnothers(call, named)) {
      removeIfPresent(inside, isOurs ? named : findMarked(inside, call, kind));
      return;
    }
  }
  using hostNs = NetNs.current();
  for (const { rtnl } of enterVisible(hostNs)) {
    if (removeIfPresent(rtnl, findMarked(rtnl, call, kind))) return;
  }
}

/** Takes back what an ADD made in a place that was free before. */
export function takeBackLink({ netns, ifName }: DelCall, kind: string): void {
  using sandbox = NetNs.openIfPresent(netns);
  if (!sandbox) return; // the interface went away with its namespace
  using inside = Rtnl.open(sandbox);
  const link = inside.link.find(ifName);
  if (link?.kind === kind && link.name === ifName) removeIfPresent(inside, link);
}

/**
 * Removes the interfaces, on parents on the host, of a network's attachments that are not valid: they
 * would go on using their addresses on the parent's network. Others are out of reach there, and go
 * with their namespace.
 */
export function removeOrphanLinks(
  network: string,
  valid: readonly Attachment[],
  kind: string,
): void {
  const isOrphan = orphans(network, valid);
  using hostNs = NetNs.current();
  for (const { rtnl } of enterVisible(hostNs)) {
    const host = netnsId(rtnl, hostNs);
    if (host === undefined) continue; // nothing there has a parent on the host
    for (const link of rtnl.link.list({ kind })) {
      if (link.parentNetnsId === host && isOrphan(link)) removeIfPresent(rtnl, link);
    }
  }
}

/** The interface of an attachment, whatever the container calls it now. */
function findMarked(
  rtnl: Rtnl,
  { attachment }: DelCall,
  kind: string,
): Link | undefined {
  const alias = attachmentAlias(attachment);
  return rtnl.link.list({ kind }).find((link) => link.alias === alias);
}

function removeIfPresent({ link: links }: Rtnl, link: Link | undefined): boolean {
  return link !== undefined && links.removeIfPresent(link);
}
