/**
 * Moving a device into a container, and returning it to the host: from the container, or from where
 * the kernel put it when the namespace was deleted under it.
 *
 * @module
 */
import type { Namespaces } from "../../../lib/attach/namespaces.ts";
import { isAnothers } from "../../../lib/attach/owner.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { isGone } from "../../../lib/ns/recorded.ts";
import { openVisible } from "../../../lib/ns/visible.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { sleep } from "../../../lib/runtime/sleep.ts";
import type { DelCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { validateIfName } from "../../../lib/types/names.ts";
import { findText } from "../../../lib/types/options.ts";
import {
  type DeviceRecord,
  type DeviceState,
  dropRecord,
  findRecord,
  type Holder,
  listRecords,
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
 * Expects that the container with the device of an earlier ADD is gone, or is the one of this ADD.
 * @throws {CniError} code 4 naming device and namespace
 */
export function expectNotInUse(
  { containerId, ifName, namespace, device }: DeviceRecord,
  { sandbox: own }: Namespaces,
): void {
  if (!namespace || isGone(namespace)) return;
  using sandbox = NetNs.openIfPresent(namespace.path);
  if (!sandbox || sandbox.is(own)) return;
  using inside = Rtnl.open(sandbox);
  if (!findInside(inside, ifName, device)) return;
  throw CniError.invalidEnvironment(
    `container ${containerId} has device ${device.name} already, as ${ifName} in the network ` +
      `namespace ${namespace.path}; a DEL of that attachment returns it to the host`,
  );
}

/**
 * Returns a device to the host and makes it what it was. One that is back, or gone for good, is
 * success.
 * @param call the DEL that asks for it, which waits for a device that the kernel is still taking out
 *   of its namespace, and knows of one that there is no record of
 * @throws {CniError} code 999 when its name on the host is taken: the device is back then, under
 *   another name, and the next call gives it its own if it is free again
 */
export async function returnToHost(
  holder: Holder,
  call?: DelCall,
): Promise<void> {
  using hostNs = NetNs.current();
  using host = Rtnl.open(hostNs);
  if (call) await awaitReturn(host, hostNs, holder);
  using _lock = await lockDevices();
  const record = findRecord(holder);
  using sandbox = openSandbox(holder, record, hostNs);
  const returned = sandbox &&
    (record
      ? moveRecorded({ host, hostNs, sandbox }, holder.ifName, record.device)
      : call && moveUnrecorded({ host, hostNs, sandbox }, call));
  const name = call && findText(call.raw, "device");
  if (returned) {
    restore(host, returned.link, returned.state);
  } else if (record) {
    const link = findReturned(host, record.device);
    if (link) restore(host, link, record.device);
    // Something may keep the namespace alive, and hardware comes out of it one day.
    else if (isHardware(record.device)) return;
  } else if (name) {
    const link = findStranded(host, name);
    if (link) restore(host, link, { name });
  }
  dropRecord(holder);
}

/**
 * Waits for hardware, which no link kind made: it comes out of a deleted namespace some time later.
 */
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
 * Opens the namespace that the device was moved to, wherever it can be seen. Where no record names
 * that, the runtime's, or the one at the path that ADD was given: what is found in there tells
 * whether it is still the same. Never the host's, to which the path of a process that has ended may
 * lead.
 */
function openSandbox(
  { netns }: Holder,
  record: DeviceRecord | undefined,
  hostNs: NetNs,
): NetNs | undefined {
  const found = record?.namespace
    ? openVisible({ ...record.namespace, path: netns })
    : NetNs.openIfPresent(netns) ?? NetNs.openIfPresent(record?.netns);
  if (!found?.is(hostNs)) return found;
  found[Symbol.dispose]();
  return undefined;
}

/** The namespaces that a device is returned from and to. */
interface ReturnNamespaces {
  host: Rtnl;
  hostNs: NetNs;
  sandbox: NetNs;
}

/** A device that is on the host again, and the state to restore. */
interface Returned {
  link: Link;
  state: { name: string };
}

/** Moves a recorded device to the host. @returns undefined when the device is not there */
function moveRecorded(
  way: ReturnNamespaces,
  ifName: string,
  known: DeviceState,
): Returned | undefined {
  using inside = Rtnl.open(way.sandbox);
  const link = findInside(inside, ifName, known);
  return link && { link: moveOut(way, inside, link, known.name), state: known };
}

/**
 * Moves a device without a record to the host, such as one that the Go plugin moved: its alias
 * alone has its name.
 * @returns undefined when it is not there, or is another attachment's
 */
function moveUnrecorded(way: ReturnNamespaces, call: DelCall): Returned | undefined {
  using inside = Rtnl.open(way.sandbox);
  const link = inside.link.find(call.ifName);
  const name = link && nameInAlias(link);
  if (!name || isAnothers(call, link)) return undefined;
  if (listRecords().some(({ device }) => isSame(link, device))) return undefined;
  return { link: moveOut(way, inside, link, name), state: { name } };
}

/**
 * Moves a device to the host under its own name, or, where that is taken, under one that is free.
 */
function moveOut({ host, hostNs }: ReturnNamespaces, inside: Rtnl, link: Link, name: string): Link {
  const landing = host.link.find(name) ? freeName(host) : name;
  // The container may have given it names that would be in the way on the host.
  for (const other of link.altNames) {
    if (other === landing || host.link.find(other)) inside.link.removeAltName(link, other);
  }
  inside.link.set(link, { netns: hostNs, name: landing, alias: name });
  return host.link.get(landing);
}

/** Finds the device in the container, which may have renamed it. */
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
