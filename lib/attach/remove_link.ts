/**
 * Removes the interface of an attachment, also where the path of its namespace is unknown.
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
 * Removes the container's interface. A missing interface or namespace is no error. Where CNI_NETNS
 * has no namespace, or that of a newer container, a process may keep the old one alive: the
 * interface is searched, by its alias, in every visible namespace.
 * @param kind the kind that the plugin makes; an interface of another kind is another plugin's, and
 * stays
 */
export async function removeLink(call: DelCall, kind: string): Promise<void> {
  using sandbox = NetNs.openIfPresent(call.netns);
  if (sandbox) {
    using inside = Rtnl.open(sandbox);
    const named = inside.link.find(call.ifName);
    const isOurs = named?.kind === kind && named.name === call.ifName;
    if (!isOurs || !isAnothers(call, named)) {
      await remove(inside, isOurs ? named : findMarked(inside, call, kind));
      return;
    }
  }
  using hostNs = NetNs.current();
  for (const { rtnl } of enterVisible(hostNs)) {
    if (await remove(rtnl, findMarked(rtnl, call, kind))) return;
  }
}

/** Undoes an ADD that made an interface of a name that was free before. */
export async function takeBackLink({ netns, ifName }: DelCall, kind: string): Promise<void> {
  using sandbox = NetNs.openIfPresent(netns);
  if (!sandbox) return; // the interface went away with its namespace
  using inside = Rtnl.open(sandbox);
  const link = inside.link.find(ifName);
  if (link?.kind === kind && link.name === ifName) await remove(inside, link);
}

/**
 * Removes the interfaces, on parents on the host, of a network's attachments that are not valid:
 * they would go on using their addresses on the parent's network. Other interfaces are removed with
 * their namespace.
 */
export async function removeOrphanLinks(
  network: string,
  valid: readonly Attachment[],
  kind: string,
): Promise<void> {
  const isOrphan = orphans(network, valid, () => []);
  using hostNs = NetNs.current();
  for (const { rtnl } of enterVisible(hostNs)) {
    const host = netnsId(rtnl, hostNs);
    if (host === undefined) continue; // nothing there has a parent on the host
    for (const link of rtnl.link.list({ kind })) {
      if (link.parentNetnsId === host && isOrphan(link)) await remove(rtnl, link);
    }
  }
}

/** Finds the interface of an attachment, also where the container has renamed it. */
function findMarked(
  rtnl: Rtnl,
  { attachment }: DelCall,
  kind: string,
): Link | undefined {
  const alias = attachmentAlias(attachment);
  return rtnl.link.list({ kind }).find((link) => link.alias === alias);
}

async function remove({ link: links }: Rtnl, link: Link | undefined): Promise<boolean> {
  return link !== undefined && await links.removeMeanwhile(link);
}
