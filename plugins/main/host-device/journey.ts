/**
 * A device's way into a container, and home again: from the container, or from where the kernel
 * put it when the namespace was deleted under it.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/rtnl/socket.ts";
import { sleepSync } from "../../../lib/runtime/sleep.ts";
import { CniError } from "../../../lib/types/error.ts";
import { validateIfName } from "../../../lib/types/names.ts";
import type { Place } from "../../../lib/attach/attach.ts";
import { type DeviceRecord, type DeviceState, dropRecord, findRecord } from "./record.ts";

/** How long the kernel may take to empty a namespace, and how often it is looked at. Milliseconds. */
const RETURN_DEADLINE = 2000;
const RETURN_INTERVAL = 20;

/** Whose device goes home. */
export interface Traveller {
  containerId: string;
  ifName: string;
  netns: string;
}

/**
 * `ip link set DEVICE netns CONTAINER name IFNAME alias DEVICE`, in one request: under its new name
 * it is never seen on the host, nor under its old one in the container for longer than the kernel
 * takes. It arrives down.
 */
export function moveIn({ host, sandbox }: Place, device: Link, ifName: string): void {
  host.link.set(device, { netns: sandbox, name: ifName, alias: device.name });
}

/**
 * Brings a device home and makes it what it was. A device that is home, or gone for good, is
 * success.
 * @param options.name its name on the host, for a device of whose journey there is no record
 * @param options.patient wait for a device that the kernel is still taking out of its namespace
 * @throws {CniError} code 999 when its name on the host is taken: the device is home then, under
 *   another name, and the next call gives it its own if it is free again
 */
export function bringHome(
  traveller: Traveller,
  options: { name?: string; patient?: boolean } = {},
): void {
  const record = findRecord(traveller);
  using hostNs = NetNs.current();
  using host = Rtnl.open(hostNs);
  using sandbox = NetNs.openIfPresent(traveller.netns);
  const returned = sandbox && moveOut(host, hostNs, sandbox, traveller.ifName, record?.device);
  if (returned) {
    restore(host, returned.link, returned.state);
  } else {
    const name = record?.device.name ?? options.name;
    // Hardware, which no link kind made, comes out of a deleted namespace some time later.
    const wait = options.patient && !sandbox && record?.device.kind === "";
    const link = name ? findStranded(host, name, record?.device, wait) : undefined;
    if (link) restore(host, link, record?.device ?? { name: name! });
    else if (record) restoreInPlace(host, record);
  }
  dropRecord(traveller);
}

/**
 * Takes the attachment's device out of its namespace. It comes out under its own name, or where
 * that is taken, under one that is free.
 * @returns undefined when the device is not there
 */
function moveOut(
  host: Rtnl,
  hostNs: NetNs,
  sandbox: NetNs,
  ifName: string,
  known: DeviceState | undefined,
): { link: Link; state: { name: string } } | undefined {
  using inside = Rtnl.open(sandbox);
  const link = known ? findInside(inside, ifName, known) : inside.link.find(ifName);
  const name = known?.name ?? (link && nameInAlias(link));
  if (!link || !name) return undefined; // what has the name now is not ours to move
  const landing = host.link.find(name) ? freeName(host) : name;
  inside.link.set(link, { netns: hostNs, name: landing, alias: name });
  return { link: host.link.get(landing), state: known ?? { name } };
}

/** A container may have renamed it. */
function findInside(inside: Rtnl, ifName: string, known: DeviceState): Link | undefined {
  const candidates = inside.link.list().filter((link) =>
    link.kind === known.kind && (link.alias === known.name || isSame(link, known))
  );
  return candidates.find(({ name }) => name === ifName) ?? candidates[0];
}

/**
 * A device that is on the host under another name than its own: its namespace was deleted, or its
 * name was taken when it came home.
 */
export function findStranded(
  host: Rtnl,
  name: string,
  known?: DeviceState,
  wait = false,
): Link | undefined {
  for (let waited = 0;; waited += RETURN_INTERVAL) {
    const candidates = host.link.list().filter((link) => link.alias === name && link.name !== name);
    const link = candidates.find((candidate) => known && isSame(candidate, known)) ?? candidates[0];
    if (link || !wait || waited >= RETURN_DEADLINE) return link;
    // It may also come out under its own name, if the container gave it that back.
    const own = known && host.link.find(name);
    if (own && isSame(own, known)) return undefined;
    sleepSync(RETURN_INTERVAL);
  }
}

/** A device that is home under its own name: what was not put right yet is. */
function restoreInPlace(host: Rtnl, { device }: DeviceRecord): void {
  const link = host.link.find(device.name);
  if (link && link.kind === device.kind && isSame(link, device)) restore(host, link, device);
}

/** Gives a device on the host its name and what else is known of it. */
export function restore(
  host: Rtnl,
  link: Link,
  state: Partial<DeviceState> & { name: string },
): void {
  const { name, alias = "", mtu, address, promisc, allmulti, up, addresses = [] } = state;
  const holder = link.name === name ? undefined : host.link.find(name);
  if (link.name !== name && link.up) host.link.set(link, { up: false }); // no renaming while it is up
  host.link.set(link, {
    ...(holder ? { alias: name } : { name, alias }),
    ...{ mtu, promisc, allmulti },
    // Only a MAC address that was changed: some drivers refuse to have any set.
    address: address && address !== link.address ? address : undefined,
  });
  const home = host.link.get(link.index);
  for (const text of addresses) addAddress(host, home, Cidr.parse(text));
  if (up !== undefined) host.link.set(home, { up });
  if (!holder) return;
  throw CniError.internal(
    `device ${name} came home as ${home.name}: its own name is taken by ` +
      `${holder.kind || "device"} ${name} with MAC ${
        holder.address || "(none)"
      }; rename or remove ` +
      "that one, and repeat the DEL",
  );
}

function addAddress(host: Rtnl, link: Link, address: Cidr): void {
  try {
    host.address.add(link, address);
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.code !== "EEXIST") throw error;
  }
}

/** Whether a link is a record's device: by the address that cannot change, where there is one. */
export function isSame(link: Link, known: DeviceState): boolean {
  if (known.permanentAddress) return link.permanentAddress === known.permanentAddress;
  return known.address !== "" && link.address === known.address;
}

/** The name on the host that a device's alias holds; undefined where it is some other note. */
function nameInAlias({ alias }: Link): string | undefined {
  if (!alias) return undefined;
  try {
    validateIfName(alias);
    return alias;
  } catch {
    return undefined;
  }
}

function freeName(host: Rtnl): string {
  for (let number = 0;; number++) {
    const name = `dev${number}`;
    if (!host.link.find(name)) return name;
  }
}
