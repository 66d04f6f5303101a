/**
 * ifb devices and their owners. The Go plugin has one for a container on a network, for packets
 * from the container; the first attachment uses that name, so that either plugin can check and
 * remove the other's. Other attachments, and the other direction, have other names. The alias names
 * the attachment; the Go plugin's devices have none.
 *
 * @module
 */
import { attachmentIfbName, ifbName } from "../../../lib/ip/hash_names.ts";
import { attachmentAlias, networkGroup, orphans } from "../../../lib/ip/mark.ts";
import { type Direction, senderTo } from "./filters.ts";
import { expectUp, type Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { type Attachment, describeAttachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";

/**
 * Makes an attachment's device, and sets it up. After a failure none is left. A device of an
 * earlier start of the container is replaced where no filter redirects to it: the filters were
 * removed with that container's pair.
 * @param mtu bytes
 * @throws {CniError} code 999 when the attachment has one already, naming what sends to it
 */
export function addIfb(
  host: Rtnl,
  attachment: Attachment,
  direction: Direction,
  mtu: number,
): Link {
  const name = attachmentIfbName(attachment, direction);
  const group = networkGroup(attachment.network);
  for (const ifb of findIfbs(host, attachment, [direction])) {
    if (ifb.alias === undefined && ifb.name !== name) continue; // the Go plugin's
    const sender = senderTo(host, ifb);
    if (!sender) host.link.removeIfPresent(ifb);
    else if (ifb.name === name) throw inUse(ifb, attachment, sender);
  }
  // A queue length of 0, as the host's end of the pair has: the bucket is the queue.
  host.link.add({ name, kind: "ifb", mtu, txqlen: 0, group });
  const { index } = host.link.get(name);
  try {
    host.link.set(index, { alias: attachmentAlias(attachment), group: 0 });
    // The alias comes first: a DEL takes a device without one for the Go plugin's.
    if (direction === "egress") rename(host, index, goName(attachment));
    host.link.set(index, { up: true });
    return host.link.get(index);
  } catch (error) {
    host.link.removeIfPresent(index);
    throw error;
  }
}

function inUse({ name }: Link, attachment: Attachment, sender: Link): CniError {
  return CniError.internal(
    `${
      describeAttachment(attachment)
    } has the ifb device ${name} already, to which ${sender.name} ` +
      "sends what is limited; a DEL of the earlier attachment removes it",
  );
}

/** Renames a device, unless another attachment of the container has the name. */
function rename(host: Rtnl, index: number, name: string): void {
  try {
    host.link.set(index, { name });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
  }
}

/**
 * Finds an attachment's device, the Go plugin's too.
 * @throws {CniError} code 999 when there is none, or it is down
 */
export function requireIfb(host: Rtnl, attachment: Attachment, direction: Direction): Link {
  const [ifb] = findIfbs(host, attachment, [direction]);
  if (!ifb) {
    throw CniError.internal(
      `get ifb device: there is none for the ${direction} traffic of ` +
        describeAttachment(attachment),
    );
  }
  expectUp(ifb);
  return ifb;
}

/** Removes an attachment's devices, the Go plugin's too; missing ones are no error. */
export async function removeIfbs(host: Rtnl, attachment: Attachment): Promise<void> {
  for (const ifb of findIfbs(host, attachment, ["egress", "ingress"])) {
    await host.link.removeMeanwhile(ifb);
  }
}

/** Removes the devices of a network's attachments that are not valid. */
export async function removeOrphanIfbs(
  host: Rtnl,
  network: string,
  valid: readonly Attachment[],
): Promise<void> {
  const isOrphan = orphans(network, valid, (attachment) => [
    attachmentIfbName(attachment, "egress"),
    attachmentIfbName(attachment, "ingress"),
  ]);
  for (const ifb of host.link.list({ kind: "ifb" })) {
    if (isOrphan(ifb)) await host.link.removeMeanwhile(ifb);
  }
}

function findIfbs(host: Rtnl, attachment: Attachment, directions: readonly Direction[]): Link[] {
  const own = directions.map((direction) =>
    host.link.find(attachmentIfbName(attachment, direction))
  );
  const shared = directions.includes("egress") ? host.link.find(goName(attachment)) : undefined;
  const isOurs = ({ alias }: Link) => alias === undefined || alias === attachmentAlias(attachment);
  return [...own, shared && isOurs(shared) ? shared : undefined]
    .filter((link) => link !== undefined)
    .filter(({ kind }) => kind === "ifb");
}

function goName({ network, containerId }: Attachment): string {
  return ifbName(network, containerId);
}
