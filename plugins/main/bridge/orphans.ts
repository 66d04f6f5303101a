/**
 * Whose a bridge's ports are: a note on each host interface names its attachment, so that GC finds
 * those whose container is gone from the runtime's list though its namespace is not.
 *
 * @module
 */
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import type { Attachment } from "../../../lib/types/config.ts";
import { attachmentNote, isOrphan } from "../../../lib/types/note.ts";

/** The note on an attachment's host interface; none where the names are too long for one. */
export function noteOf(call: AttachmentCall<unknown>): string | undefined {
  const { config, containerId, ifName } = call;
  return attachmentNote(config.name, { containerID: containerId, ifname: ifName });
}

/** Removes the ports of a network's attachments that are not valid, with the containers' ends. */
export function removeOrphans(
  bridgeName: string,
  network: string,
  valid: readonly Attachment[],
): void {
  using host = Rtnl.open();
  const bridge = host.link.find(bridgeName);
  if (!bridge) return;
  for (const port of host.link.list({ master: bridge.index, kind: "veth" })) {
    if (isOrphan(port.alias, network, valid)) host.link.removeIfPresent(port);
  }
}
