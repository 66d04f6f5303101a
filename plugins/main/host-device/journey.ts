/**
 * A device's way into a container, and home again: from the container, or from where the kernel
 * put it when the namespace was deleted under it.
 *
 * @module
 */
import { trySysctl } from "../../../lib/host/sysctl.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { NetlinkError } from "../../../lib/nl/error.ts";
import { sleep } from "../../../lib/runtime/sleep.ts";
import { CniError } from "../../../lib/types/error.ts";
import { validateIfName } from "../../../lib/types/names.ts";
import type { Place } from "../../../lib/attach/attach.ts";
import {
  type DeviceRecord,
  type DeviceState,
  dropRecord,
  findRecord,
  type Holder,
  lockDevices,
} from "./record.ts";

/** How long the kernel may take to empty a namespace, and how often it is looked at. Milliseconds. */
const RETURN_DEADLINE = 2000;
const RETURN_INTERVAL = 20;

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
export async function bringHome(
  holder: Holder,
  options: { name?: string; patient?: boolean } = {},
): Promise<void> {
  using hostNs = NetNs.current();
  using host = Rtnl.open(hostNs);
  if (options.patient) await awaitReturn(host, hostNs, holder);
  using _lock = await lockDevices();
  const record = findRecord(holder);
  using sandbox = openSandbox(holder, record, hostNs);
  const returned = sandbox && moveOut(host, hostNs, sandbox, holder.ifName, record?.device);
  if (returned) {
    restore(host, returned.link, returned.state);
  } else if (record) {
    const link = findReturned(host, record.device);
    if (link) restore(host, link, record.device);
    // Something may keep the namespace alive, and hardware comes out of it one day.
    else if (isHardware(record.device)) return;
  } else if (options.name) {
    const link = findStranded(host, options.name);
    if (link) restore(host, link, { name: options.name });
  }
  dropRecord(holder);
}

/** Hardware, which no link kind made, comes out of a deleted namespace some time later. */
async function awaitReturn(host: Rtnl, hostNs: NetNs, holder: Holder): Promise<void> {
  const record = findRecord(holder);
  if (!record || !isHardware(record.device)) return;
  for (let waited = 0; waited < RETURN_DEADLINE; waited += RETURN_INTERVAL) {
    using sandbox = openSandbox(holder, record, hostNs);
    if (sandbox || findReturned(host, record.device)) return;
    await sleep(RETURN_INTERVAL);
  }
}

/**
 * The namespace that the device went to: the runtime's, or where that names none any more, the one
 * that ADD was given. What is found in there says whether it is still the same.
 */
function openSandbox(
  holder: Holder,
  record: DeviceRecord | undefined,
  hostNs: NetNs,
): NetNs | undefined {
  const named = NetNs.openIfPresent(holder.netns);
  if (named || !record) return named;
  const noted = tryToOpen(record.netns);
  if (!noted?.is(hostNs)) return noted;
  noted[Symbol.dispose](); // the process whose namespace it was has ended, and its number is reused
  return undefined;
}

function tryToOpen(path: string): NetNs | undefined {
  try {
    return NetNs.openIfPresent(path);
  } catch {
    return undefined; // no namespace any more
  }
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

/** A device that has come out of its namespace: under another name, or its own. */
function findReturned(host: Rtnl, known: DeviceState): Link | undefined {
  const stranded = findStranded(host, known.name, known);
  if (stranded) return stranded;
  const own = host.link.find(known.name);
  return own && own.kind === known.kind && isSame(own, known) ? own : undefined;
}

/**
 * A device that is on the host under another name than its own: its namespace was deleted, or its
 * name was taken when it came home. Without proof that it is the device it must be down, as the
 * kernel puts it there: an alias may be just a note of somebody's.
 */
export function findStranded(host: Rtnl, name: string, known?: DeviceState): Link | undefined {
  const candidates = host.link.list().filter((link) => link.alias === name && link.name !== name);
  return candidates.find((link) => known && isSame(link, known)) ??
    candidates.find(({ up, kind }) => !up && (!known || kind === known.kind));
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
  // The kernel has given it the host's default, which need not be what it had.
  if (addresses.some((text) => text.includes(":"))) {
    trySysctl(`net/ipv6/conf/${home.name}/disable_ipv6`, "0");
  }
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

function isHardware({ kind }: DeviceState): boolean {
  return kind === "";
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
