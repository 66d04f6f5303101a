/**
 * DEL of plugins that make one interface in the container and nothing else.
 *
 * @module
 */
import { ipamDel, releasesOverLink } from "../ipam/delegate.ts";
import type { DelCall } from "../skel/plugin.ts";
import { runAll } from "../skel/run_all.ts";

/** Removes the interface and releases its address. Either may be gone already. */
export async function detach(
  call: DelCall,
  remove: () => void | Promise<void>,
): Promise<void> {
  await runAll(...detachSteps(call, remove));
}

/**
 * Makes the two steps in their order: an address is released once no interface has it, but a DHCP
 * lease is released over the interface.
 */
export function detachSteps(
  call: DelCall,
  remove: () => void | Promise<void>,
): (() => void | Promise<void>)[] {
  const steps = [remove, () => ipamDel(call)];
  return releasesOverLink(call) ? steps.toReversed() : steps;
}
