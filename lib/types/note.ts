/**
 * Whose a link is: its alias in the kernel (`ip link set … alias …`) names its attachment, so that
 * GC finds links whose container is gone from the runtime's list.
 */
import { type Attachment, attachmentKey } from "./attachment.ts";

/** What the kernel takes as a link's alias. Bytes. */
const MAX_ALIAS = 255;

/** The note on an attachment's links; none where the names are too long for one. */
export function attachmentNote(attachment: Attachment): string | undefined {
  const text = `cni:${attachmentKey(attachment)}`;
  return new TextEncoder().encode(text).length <= MAX_ALIAS ? text : undefined;
}

/** The attachment that a link's alias names; undefined where it names none. */
export function notedAttachment(alias: string | undefined): Attachment | undefined {
  const [, network, containerId, ifName] = /^cni:([^/]+)\/([^/]+)\/([^/]+)$/.exec(alias ?? "") ??
    [];
  return network && containerId && ifName ? { network, containerId, ifName } : undefined;
}

/** Whether a link's alias says that it belongs to none of a network's valid attachments. */
export function isOrphan(
  alias: string | undefined,
  network: string,
  valid: readonly Attachment[],
): boolean {
  if (!alias?.startsWith(`cni:${network}/`)) return false;
  return valid.every((attachment) => attachmentNote(attachment) !== alias);
}
