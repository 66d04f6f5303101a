/**
 * Whose a veth pair is: a note on its host's end names its attachment, so that GC finds those whose
 * container is gone from the runtime's list though its namespace is not.
 *
 * @module
 */
import { Rtnl } from "../rtnl/rtnl.ts";
import type { Attachment } from "../types/attachment.ts";
import { isOrphan } from "../types/note.ts";

/** Removes the pairs of a network's attachments that are not valid. */
export function removeOrphans(network: string, valid: readonly Attachment[]): void {
  using host = Rtnl.open();
  for (const link of host.link.list({ kind: "veth" })) {
    if (isOrphan(link.alias, network, valid)) host.link.removeIfPresent(link);
  }
}
