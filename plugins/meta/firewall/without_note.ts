/**
 * The rules of an attachment without a note: the Go plugins made them, or the note is lost.
 *
 * @module
 */
import type { FilterEntry, Removal } from "../../../lib/firewall/filter/types.ts";
import { masqueradeNotes } from "../../../lib/firewall/masquerade/notes.ts";
import { portsNotes } from "../../../lib/firewall/ports/notes.ts";
import type { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { AttachmentCall, DelCall } from "../../../lib/skel/plugin.ts";
import type { Result } from "../../../lib/types/result.ts";
import { availableFilter, firewalldRuns } from "./backend.ts";
import { adminChainOf, optionsForRemoval, policyOf, zoneOf } from "./config.ts";
import type { Options } from "./options.ts";
import { bridgeOf, entryOf } from "./entry.ts";

/** Selects the rules that DEL removes: by prevResult, or by other records of the container. */
export async function removalWithoutNote(call: DelCall): Promise<Removal> {
  const { attachment, prevResult, raw } = call;
  const options = optionsForRemoval(raw);
  const policy = policyOf(options);
  const stated = (prevResult?.ips ?? []).flatMap(({ address }) => Cidr.tryParse(address)?.ip ?? []);
  let bridges: string[] = [];
  try {
    if (prevResult && policy !== "open") bridges = [bridgeOf(prevResult, policy)];
  } catch {
    // Without a bridge there are no rules of one.
  }
  return {
    attachment,
    ips: stated.length > 0 ? stated : addressesElsewhere(call),
    bridges,
    zones: await firewalldRuns() ? [zoneOf(options)] : [],
    adminChains: [adminChainOf(options)],
  };
}

/** Finds a container's addresses in other notes, and on its interface where that exists. */
function addressesElsewhere({ attachment, netns, ifName }: DelCall): IpAddress[] {
  return [
    ...(masqueradeNotes().read(attachment)?.ips ?? []).map(({ ip }) => ip),
    ...(portsNotes().read(attachment)?.publications ?? []).map(({ address }) => address.ip),
    ...addressesInside(netns, ifName),
  ];
}

function addressesInside(path: string, ifName: string): IpAddress[] {
  try {
    using netns = NetNs.openIfPresent(path);
    if (!netns) return [];
    using container = Rtnl.open(netns);
    const device = container.link.find(ifName);
    if (!device) return [];
    return container.address.list({ device }).map(({ address }) => address.ip)
      .filter((ip) => !ip.isLinkLocal());
  } catch {
    return []; // nothing is known, which is where this began
  }
}

/**
 * Lists the entries of which CHECK expects one. The Go plugins neither use nftables nor write
 * notes; the note of an attachment with nftables may be lost.
 */
export async function expectedWithoutNote(
  call: AttachmentCall<Options>,
  result: Result,
): Promise<FilterEntry[]> {
  const { backend } = call.options;
  const byGo = (entry: FilterEntry): FilterEntry => ({
    ...entry,
    ignoresPublished: true,
    made: "by Go",
  });
  if (backend === "nftables") {
    return [entryOf(call, result, backend), byGo(entryOf(call, result, "iptables"))];
  }
  return [byGo(entryOf(call, result, await availableFilter(call.options)))];
}
