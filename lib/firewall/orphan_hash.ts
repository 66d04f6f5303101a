import { attachmentHash, networkHash } from "../ip/hash_names.ts";
import type { Attachment } from "../types/attachment.ts";

/** Returns a predicate on hashes: of an attachment of `network` that is not in `valid`. */
export function orphanHash(
  network: string,
  valid: readonly Attachment[],
): (hash: string) => boolean {
  const inUse = new Set(valid.map(attachmentHash));
  return (hash) => hash.startsWith(`${networkHash(network)}-`) && !inUse.has(hash);
}
