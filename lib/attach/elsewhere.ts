import { attachmentAlias } from "../ip/mark.ts";
import { NetNs } from "../ns/netns.ts";
import { netnsId } from "../rtnl/netns_id.ts";
import { Rtnl } from "../rtnl/rtnl.ts";
import type { AddCall } from "../skel/plugin.ts";
import { enterVisible } from "./visible.ts";

/**
 * Whether an attachment has an interface in another namespace than its ADD's: a runtime has called
 * ADD twice without a DEL. It is found by its alias, that of a veth pair at this host's end: a veth
 * interface with that alias in another namespace is another host's, as of a node in a container.
 */
export function runsElsewhere({ attachment, netns }: AddCall<unknown>): boolean {
  const alias = attachmentAlias(attachment);
  using hostNs = NetNs.current();
  using host = Rtnl.open(hostNs);
  using own = NetNs.openIfPresent(netns);
  const pairs = host.link.list({ kind: "veth" }).filter((link) => link.alias === alias);
  const ownId = own && netnsId(host, own);
  if (pairs.some(({ parentNetnsId }) => parentNetnsId !== ownId)) return true;
  for (const { netns, rtnl } of enterVisible(hostNs)) {
    if (own?.is(netns)) continue;
    if (rtnl.link.list().some((link) => link.alias === alias && link.kind !== "veth")) return true;
  }
  return false;
}
