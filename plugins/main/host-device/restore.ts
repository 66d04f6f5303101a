/**
 * Finds a device that is on the host again, and restores its state.
 *
 * @module
 */
import { trySysctl } from "../../../lib/ns/sysctl.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { DeviceState } from "./record.ts";

/** Finds a device that is out of its namespace: under another name, or its own. */
export function findReturned(host: Rtnl, known: DeviceState): Link | undefined {
  const stranded = findStranded(host, known.name, known);
  if (stranded) return stranded;
  const own = host.link.find(known.name);
  return own && own.kind === known.kind && isSame(own, known) ? own : undefined;
}

/**
 * Finds a device that is on the host under another name than its own: its namespace was deleted, or
 * its name was taken when it came back. Without proof that it is the device it must be down, as the
 * kernel puts it there: an alias may be just a note of somebody's.
 */
export function findStranded(host: Rtnl, name: string, known?: DeviceState): Link | undefined {
  const candidates = host.link.list().filter((link) => link.alias === name && link.name !== name);
  return candidates.find((link) => known && isSame(link, known)) ??
    candidates.find(({ up, kind }) => !up && (!known || kind === known.kind));
}

/** Restores the name and the recorded state of a device on the host. */
export function restore(
  host: Rtnl,
  link: Link,
  state: Partial<DeviceState> & { name: string },
): void {
  const { name, alias = "", mtu, address, promisc, allmulti, up, addresses = [] } = state;
  // The container may have given it its own name as an alternative one.
  if (link.altNames.includes(name)) host.link.removeAltName(link, name);
  const holder = link.name === name ? undefined : host.link.find(name);
  if (link.name !== name && link.up) host.link.set(link, { up: false }); // no renaming while it is up
  host.link.set(link, {
    ...(holder ? { alias: name } : { name, alias }),
    ...{ mtu, promisc, allmulti },
    // Only a MAC address that was changed: some drivers refuse to have any set.
    address: address && address !== link.address ? address : undefined,
  });
  const present = host.link.get(link.index);
  // The kernel has given it the host's default, which need not be what it had.
  if (addresses.some((text) => text.includes(":"))) {
    trySysctl(`net/ipv6/conf/${present.name}/disable_ipv6`, "0");
  }
  for (const text of addresses) addAddress(host, present, Cidr.parse(text));
  if (up !== undefined) host.link.set(present, { up });
  if (!holder) return;
  throw CniError.internal(
    `device ${name} came back as ${present.name}: its own name is taken by ` +
      `${holder.kind || "device"} ${name} with MAC ${holder.address || "(none)"}; rename or ` +
      "remove that one, and repeat the DEL",
  );
}

function addAddress(host: Rtnl, link: Link, address: Cidr): void {
  try {
    host.address.add(link, address);
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.code !== "EEXIST") throw error;
  }
}

/** Whether no link kind made it: the kernel gives hardware back when its namespace goes. */
export function isHardware({ kind }: DeviceState): boolean {
  return kind === "";
}

/** Whether a link is a record's device: by the address that cannot change, where there is one. */
export function isSame(link: Link, known: DeviceState): boolean {
  if (known.permanentAddress) return link.permanentAddress === known.permanentAddress;
  return known.address !== "" && link.address === known.address;
}
