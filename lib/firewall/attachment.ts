/** How rules are told apart by whom they belong to. */
import { nftHash } from "../ip/hash_names.ts";

/** One interface of one container on one network. */
export interface Attachment {
  /** The network's name. */
  network: string;
  /** CNI_CONTAINERID */
  containerId: string;
  /** CNI_IFNAME */
  ifName: string;
}

/** What the comments of all rules of a network begin with. */
export function networkHash(network: string): string {
  return nftHash(network);
}

/** What the comments of an attachment's rules begin with: two hashes of 16 digits. */
export function attachmentHash({ network, containerId, ifName }: Attachment): string {
  return `${networkHash(network)}-${nftHash(`${ifName}:${containerId}`)}`;
}

/** The hashes that an attachment's comment begins with; undefined for any other comment. */
export function hashOf(comment: string | undefined): string | undefined {
  return /^([0-9a-f]{16}-[0-9a-f]{16}),/.exec(comment ?? "")?.[1];
}

/** The comment of an attachment's rules: its hash, and as much for people as fits in 128 bytes. */
export function attachmentComment(attachment: Attachment): string {
  const { network, containerId, ifName } = attachment;
  const plain = (text: string) => text.replaceAll('"', "");
  const text = `${attachmentHash(attachment)}, net: ${plain(network)}, if: ${plain(ifName)}, ` +
    `id: ${plain(containerId)}`;
  const bytes = new TextEncoder().encode(text).subarray(0, 128);
  // A character cut in half is no text that nft would take.
  return new TextDecoder().decode(bytes).replace(/\ufffd$/, "");
}

/** An attachment, in words. */
export function describeAttachment({ network, containerId, ifName }: Attachment): string {
  return `container ${containerId} (${ifName} on network ${network})`;
}

/** Whose rules have this comment, in words; cut short where the comment was. */
export function describeOwner(comment: string | undefined): string {
  const [, network, ifName, id] = /, net: (.*), if: (.*), id: (.*)$/.exec(comment ?? "") ?? [];
  if (id === undefined) return `somebody else ("${comment ?? ""}")`;
  return describeAttachment({ network: network!, containerId: id, ifName: ifName! });
}
