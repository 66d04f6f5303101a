import { attachmentAlias, isAttachmentAlias } from "../ip/mark.ts";
import { tryParseMac } from "../ip/mac.ts";
import type { NetNs } from "../ns/netns.ts";
import type { Link } from "../rtnl/link.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import { findHostEnd } from "../rtnl/veth.ts";
import type { DelCall } from "../skel/plugin.ts";

/** Kinds that have their parent's MAC address, which tells nothing of whose they are. */
const PARENTS_MAC: readonly string[] = ["ipvlan", "vlan"];

/**
 * Tells whether a link that has the name of a DEL's interface is another attachment's: the path of
 * its namespace may be a newer container's by now. Its alias says whose it is; without one, as the Go
 * plugins leave it, a MAC address that is not the previous result's says that it is another's.
 * @param alias the one that tells: of a veth pair that of the host's end
 */
export function isAnothers(
  call: DelCall,
  link: Link,
  alias: string | undefined = link.alias,
): boolean {
  if (isAttachmentAlias(alias)) return namesAnother(call, alias);
  if (PARENTS_MAC.includes(link.kind)) return false;
  const { ifName, netns, prevResult } = call;
  const { mac = "" } =
    prevResult?.interfaces?.find(({ name, sandbox }) => name === ifName && sandbox === netns) ?? {};
  const expected = tryParseMac(mac);
  return expected !== undefined && ![link.address, link.permanentAddress].includes(expected);
}

/**
 * Tells whether the interface that a chained plugin finds in a DEL is another attachment's, and so the
 * whole namespace a newer container's: only its alias does.
 */
export function isNewerContainers(call: DelCall, sandbox: NetNs, link: Link): boolean {
  if (link.kind !== "veth") return namesAnother(call, link.alias);
  using host = Rtnl.open();
  return namesAnother(call, findHostEnd(host, sandbox, link)?.alias);
}

function namesAnother({ attachment }: DelCall, alias: string | undefined): boolean {
  return isAttachmentAlias(alias) && alias !== attachmentAlias(attachment);
}
