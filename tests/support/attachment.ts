import type { Attachment } from "../../lib/types/attachment.ts";

/** A container's attachment to a network, `eth0` on `n` where nothing else is said. */
export function attachment(containerId: string, ifName = "eth0", network = "n"): Attachment {
  return { network, containerId, ifName };
}
