/**
 * Finds the selected device on the host, or its holder.
 *
 * @module
 */
import type { Namespaces } from "../../../lib/attach/namespaces.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { CniError } from "../../../lib/types/error.ts";
import { describe, findDevice, isPresent, type Selector } from "./device.ts";
import { type DeviceRecord, dropRecord, listRecords } from "./record.ts";
import { findStranded, isSame, restore } from "./restore.ts";

/**
 * Finds the device on the host, under its own name. One that the kernel returned when its namespace
 * was deleted is restored first.
 */
export function findOnHost({ host }: Namespaces, selector: Selector): Link {
  const named = selector.by === "name" ? selector.name : undefined;
  const present = findDevice(host, selector);
  const found = present ?? (named ? findStranded(host, named) : undefined);
  if (!found) throw notFound(selector);
  const record = listRecords().find(({ device }) =>
    isSame(found, device) && [found.name, found.alias].includes(device.name)
  );
  if (record) {
    restore(host, found, record.device);
    dropRecord(record);
  } else if (!present && named) { // one that is present may go by an alternative name
    restore(host, found, { name: named });
  }
  return host.link.get(found.index);
}

/** The error for a device that the host has not got: in use, or not there at all. */
function notFound(selector: Selector): CniError {
  const record = findHolder(selector);
  return CniError.internal(
    `failed to find host device: ${describe(selector)} is ` +
      (record
        ? `in use: container ${record.containerId} has it as ${record.ifName} in ${record.netns}`
        : "not on the host"),
  );
}

/** STATUS: the device is on the host, or in a container. @throws {CniError} code 50 */
export function requireDevice(selector: Selector): void {
  using host = Rtnl.open();
  if (isPresent(host, selector) || findHolder(selector)) return;
  if (selector.by === "name" && findStranded(host, selector.name)) return;
  throw CniError.notAvailable(notFound(selector).message);
}

/** Finds the holder of a device; that of one selected by its directory in /sys is unknown. */
function findHolder(selector: Selector): DeviceRecord | undefined {
  return listRecords().find(({ device, netns }) =>
    selector.by === "name"
      ? device.name === selector.name || goesBy(selector.name, netns)
      : selector.by === "address" && device.address === selector.address
  );
}

/** Whether a link of a namespace has this alternative name, which moves with a device. */
function goesBy(name: string, netns: string): boolean {
  using sandbox = NetNs.openIfPresent(netns);
  if (!sandbox) return false;
  using inside = Rtnl.open(sandbox);
  return (inside.link.find(name)?.name ?? name) !== name;
}
