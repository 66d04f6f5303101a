/**
 * DEL and GC, as plugins do them whose only trace is one interface in the container.
 *
 * @module
 */
import { ipamDel } from "../ipam/delegate.ts";
import { NetNs } from "../ns/netns.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import type { AttachmentCall } from "../skel/plugin.ts";
import { runAll } from "../skel/run_all.ts";

/**
 * Releases the address, then removes the interface: a DHCP lease is given back over it. Neither
 * needs anything to be there still.
 * @param kind what the plugin makes; an interface of another kind is somebody else's, and stays
 */
export async function detach(call: AttachmentCall<unknown>, kind: string): Promise<void> {
  await runAll(() => ipamDel(call), () => removeLink(call, kind));
}

/** Removes the container's interface; one that is gone already, with or without its namespace, is fine. */
export function removeLink({ netns, ifName }: AttachmentCall<unknown>, kind: string): void {
  using sandbox = NetNs.openIfPresent(netns);
  if (!sandbox) return; // the interface went away with its namespace
  using inside = Rtnl.open(sandbox);
  if (inside.link.find(ifName)?.kind === kind) inside.link.removeIfPresent(ifName);
}
