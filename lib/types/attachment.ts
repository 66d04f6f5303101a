/** An attachment: one interface of one container on one network (specification, section 1). */

/** What identifies an attachment. */
export interface Attachment {
  /** The network's name. */
  readonly network: string;
  /** The container's ID: CNI_CONTAINERID of its ADD. */
  readonly containerId: string;
  /** The interface's name inside the container: CNI_IFNAME of its ADD. */
  readonly ifName: string;
}

/** Names an attachment in a sentence. */
export function describeAttachment({ network, containerId, ifName }: Attachment): string {
  return `container ${containerId} (${ifName} on network ${network})`;
}

/** Makes a string that no other attachment has: none of the three parts can have a slash in it. */
export function attachmentKey({ network, containerId, ifName }: Attachment): string {
  return `${network}/${containerId}/${ifName}`;
}

/** Tells whether both are the same attachment. */
export function sameAttachment(a: Attachment, b: Attachment): boolean {
  return a.network === b.network && a.containerId === b.containerId && a.ifName === b.ifName;
}

/** Returns a predicate that tells, in constant time, whether an attachment is among `valid`. */
export function membership(valid: readonly Attachment[]): (attachment: Attachment) => boolean {
  const keys = new Set(valid.map(attachmentKey));
  return (attachment) => keys.has(attachmentKey(attachment));
}
