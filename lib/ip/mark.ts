/**
 * Marks on links, by which DEL and GC find their attachment: the alias (`ip link set … alias …`),
 * and the group, until a link has an alias, which cannot be set when it is made.
 */
import { type Attachment, attachmentKey } from "../types/attachment.ts";
import { attachmentHash, fnv1a, networkHash } from "./hash_names.ts";

/** The largest length of a link's alias. Bytes. */
const MAX_ALIAS = 255;

/** The prefix of every attachment's alias. */
const PREFIX = "cni:";

/**
 * The alias of an attachment's links: its three parts, or where they are too long, their hashes.
 */
export function attachmentAlias(attachment: Attachment): string {
  const text = PREFIX + attachmentKey(attachment);
  return new TextEncoder().encode(text).length <= MAX_ALIAS
    ? text
    : PREFIX + attachmentHash(attachment);
}

/** Reads the attachment that an alias names; undefined for its hashes, and where it names none. */
export function namedAttachment(alias: string | undefined): Attachment | undefined {
  const [, network, containerId, ifName] = /^cni:([^/]+)\/([^/]+)\/([^/]+)$/.exec(alias ?? "") ??
    [];
  return network && containerId && ifName ? { network, containerId, ifName } : undefined;
}

/** Whether an alias names an attachment; others are an administrator's notes. */
export function isAttachmentAlias(alias: string | undefined): alias is string {
  return alias !== undefined && alias.startsWith(PREFIX);
}

/**
 * The group that a network's links are made in, and leave as soon as they have their alias. From 1
 * to 2^31 - 1: 0 is everybody's.
 */
export function networkGroup(network: string): number {
  return Number(fnv1a(network, 31)) || 1;
}

/** The properties by which the owner of a link is recognized. */
interface Marked {
  name: string;
  alias?: string;
  group: number;
}

/**
 * Makes a filter for links of a network that belong to none of its valid attachments. A link
 * without an alias was left by an ADD that was killed, unless a valid attachment gives its links
 * that name: then its ADD may be about to set the alias.
 * @param namesOf the names that an attachment's links have before they have an alias
 */
export function orphans(
  network: string,
  valid: readonly Attachment[],
  namesOf: (attachment: Attachment) => readonly string[],
): (link: Marked) => boolean {
  const aliases = new Set(valid.map(attachmentAlias));
  const names = new Set(valid.flatMap(namesOf));
  const group = networkGroup(network);
  const hashed = `${PREFIX}${networkHash(network)}-`;
  return ({ alias, ...link }) =>
    alias === undefined
      ? link.group === group && !names.has(link.name)
      : (alias.startsWith(`${PREFIX}${network}/`) || alias.startsWith(hashed)) &&
        !aliases.has(alias);
}
