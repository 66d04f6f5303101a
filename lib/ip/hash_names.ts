/** Names made from hashes, where the kernel allows too few characters for full ones. */
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

/** The ifb device through which one attachment's traffic is shaped, in one direction. */
export function attachmentIfbName(
  attachment: Attachment,
  direction: "ingress" | "egress",
): string {
  return hashName(15, "bwp", `${attachmentKey(attachment)}/${direction}`);
}

/**
 * The host's end of an attachment's veth pair: `veth` and 11 digits. Where somebody else has it,
 * the name is a random one.
 */
export function hostVethName(attachment: Attachment): string {
  return `veth${fnv1a(attachmentKey(attachment), 44).toString(16).padStart(11, "0")}`;
}

/**
 * Hashes a name for the comments of nftables rules, which have 128 bytes: 16 hex digits.
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

/**
 * Computes FNV-1a with 64 bits, folded to fewer: for names that need not withstand an attacker. The
 * first SHA-512 of a process takes Deno half a millisecond.
 * @param bits at least 22
 */
export function fnv1a(text: string, bits: number): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return BigInt.asUintN(bits, hash ^ hash >> BigInt(bits));
}

/** The prefix of the comments of a network's nftables rules. */
export function networkHash(network: string): string {
  return nftHash(network);
}

/** The prefix of the comments of an attachment's nftables rules: two hashes of 16 digits. */
export function attachmentHash({ network, containerId, ifName }: Attachment): string {
  return `${networkHash(network)}-${nftHash(`${ifName}:${containerId}`)}`;
}
