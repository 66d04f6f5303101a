/**
 * DEL, as plugins do it whose only trace is one interface in the container.
 *
 * @module
 */
import { ipamDel, releasesOverLink } from "../ipam/delegate.ts";
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
