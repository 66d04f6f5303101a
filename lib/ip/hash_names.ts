/** Names cut out of hashes, where the kernel allows too few characters for the real ones. */
import { runtime } from "../runtime/mod.ts";
import { type Attachment, attachmentKey } from "../types/attachment.ts";

/**
 * The iptables chain of one attachment: `CNI-`, a prefix such as `DN-`, and as much of the hash as
 * makes it 28 characters, iptables' limit.
 *
 * @throws {RangeError} when the prefix leaves no room for a hash
 */
export function chainName(network: string, containerId: string, prefix = ""): string {
  return hashName(28, `CNI-${prefix}`, network + containerId);
}

/**
 * The ifb device through which the Go plugin shapes what a container sends, whichever of its
 * interfaces on the network that leaves by: 15 characters, the kernel's limit.
 */
export function ifbName(network: string, containerId: string): string {
  return hashName(15, "bwp", network + containerId);
}

/**
 * The ifb device through which one attachment's traffic is shaped, in one direction. Its beginning is
 * the network's, by which GC knows what an ADD that was killed made last.
 */
export function attachmentIfbName(
  attachment: Attachment,
  direction: "ingress" | "egress",
): string {
  const prefix = networkIfbPrefix(attachment.network);
  return hashName(15, prefix, `${attachmentKey(attachment)}/${direction}`);
}

/** What the names of all of a network's {@link attachmentIfbName} begin with. */
export function networkIfbPrefix(network: string): string {
  return hashName(8, "bw", network);
}

/**
 * What stands for a name in the comments of nftables rules, which have 128 bytes: 16 hex digits.
 */
export function nftHash(text: string): string {
  return runtime.sha512Hex(text).slice(0, 16);
}

function hashName(length: number, prefix: string, text: string): string {
  if (prefix.length >= length) {
    throw new RangeError(`${prefix} leaves no room in a name of ${length} characters`);
  }
  return (prefix + runtime.sha512Hex(text)).slice(0, length);
}

/** What the comments of all nftables rules of a network begin with. */
export function networkHash(network: string): string {
  return nftHash(network);
}

/** What the comments of an attachment's nftables rules begin with: two hashes of 16 digits. */
export function attachmentHash({ network, containerId, ifName }: Attachment): string {
  return `${networkHash(network)}-${nftHash(`${ifName}:${containerId}`)}`;
}
