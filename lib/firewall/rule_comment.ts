/** The comments of nftables rules, which identify the attachment that a rule belongs to. */
import { attachmentHash } from "../ip/hash_names.ts";
import { type Attachment, describeAttachment } from "../types/attachment.ts";
import { cutUtf8 } from "../types/utf8.ts";

/** Reads the hashes at the start of an attachment's comment; undefined for any other comment. */
export function hashOf(comment: string | undefined): string | undefined {
  return /^([0-9a-f]{16}-[0-9a-f]{16}),/.exec(comment ?? "")?.[1];
}

/** Makes the comment of an attachment's rules: its hash, then its names, cut to 128 bytes. */
export function attachmentComment(attachment: Attachment): string {
  const { network, containerId, ifName } = attachment;
  const plain = (text: string) => text.replaceAll('"', "");
  const text = `${attachmentHash(attachment)}, net: ${plain(network)}, if: ${plain(ifName)}, ` +
    `id: ${plain(containerId)}`;
  return cutUtf8(text, 128);
}

/** Describes the attachment of a comment for an error; cut short where the comment was. */
export function describeOwner(comment: string | undefined): string {
  const [, network, ifName, id] = /, net: (.*), if: (.*), id: (.*)$/.exec(comment ?? "") ?? [];
  if (id === undefined) return `somebody else ("${comment ?? ""}")`;
  return describeAttachment({ network: network!, containerId: id, ifName: ifName! });
}
