/**
 * DEL, as plugins do it whose only trace is one interface in the container.
 *
 * @module
 */
import { ipamDel, releasesOverLink } from "../ipam/delegate.ts";
import { NetNs } from "../ns/netns.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import type { DelCall } from "../skel/plugin.ts";
import { runAll } from "../skel/run_all.ts";

/** Removes the interface and releases its address. Neither needs anything to be there still. */
export async function detach(
  call: DelCall,
  remove: () => void | Promise<void>,
): Promise<void> {
  await runAll(...detachSteps(call, remove));
}

/**
 * The two steps in their order: an address is free once nothing carries it, but a DHCP lease is given
 * back over the interface.
 */
export function detachSteps(
  call: DelCall,
  remove: () => void | Promise<void>,
): (() => void | Promise<void>)[] {
  const steps = [remove, () => ipamDel(call)];
  return releasesOverLink(call) ? steps.toReversed() : steps;
}

/**
 * Removes the container's interface; one that is gone already, with or without its namespace, is fine.
 * @param kind what the plugin makes; an interface of another kind is somebody else's, and stays
 */
export function removeLink({ netns, ifName }: DelCall, kind: string): void {
  using sandbox = NetNs.openIfPresent(netns);
  if (!sandbox) return; // the interface went away with its namespace
  using inside = Rtnl.open(sandbox);
  if (inside.link.find(ifName)?.kind === kind) inside.link.removeIfPresent(ifName);
}
