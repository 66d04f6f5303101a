/**
 * Moving a device into a container, and returning it to the host: from the container, or from where
 * the kernel put it when the namespace was deleted under it.
 *
 * @module
 */
import type { Namespaces } from "../../../lib/attach/namespaces.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { sleep } from "../../../lib/runtime/sleep.ts";
import { validateIfName } from "../../../lib/types/names.ts";
import {
  type DeviceRecord,
  type DeviceState,
  dropRecord,
  findRecord,
  type Holder,
  lockDevices,
} from "./record.ts";
import { findReturned, findStranded, isHardware, isSame, restore } from "./restore.ts";

/** How long the kernel may take to empty a namespace, and how often it is looked at. Milliseconds. */
const RETURN_DEADLINE = 2000;
const RETURN_INTERVAL = 20;

/**
 * `ip link set DEVICE netns CONTAINER name IFNAME alias DEVICE`, in one request: under its new name
 * it is never seen on the host, nor under its old one in the container for longer than the kernel
 * takes. It arrives down.
 */
export function moveIn({ host, sandbox }: Namespaces, device: Link, ifName: string): void {
  host.link.set(device, { netns: sandbox, name: ifName, alias: device.name });
}

/**
 * Returns a device to the host and makes it what it was. One that is back, or gone for good, is
 * success.
 * @param options.name its name on the host, for a device of which there is no record
 * @param options.patient wait for a device that the kernel is still taking out of its namespace
 * @throws {CniError} code 999 when its name on the host is taken: the device is back then, under
 *   another name, and the next call gives it its own if it is free again
 */
export async function returnToHost(
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
  // The container may have given it names that would be in the way on the host.
  for (const other of link.altNames) {
    if (other === landing || host.link.find(other)) inside.link.removeAltName(link, other);
  }
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
