/**
 * What a device was like on the host, kept while it is in a container. The device's own alias holds
 * its name too, as the Go plugin's does: each finds where the other's devices belong.
 *
 * @module
 */
import { FileLock } from "../../../lib/host/lock.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { readRecordedNetNs, type RecordedNetNs, recordNetNs } from "../../../lib/ns/recorded.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { ABANDONED_MS, RecordStore } from "../../../lib/state/record_store.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { isObject } from "../../../lib/types/json.ts";

/** The directory of the records. A reboot empties it, and ends the containers. */
const DIRECTORY = "/run/cni/host-device";

/** The attachment that has a device, and its namespace. */
export interface Holder extends Attachment {
  /** The container's namespace, by its path. */
  readonly netns: string;
}

/** A device as it was on the host. */
export interface DeviceState {
  name: string;
  kind: string;
  /** The MAC address it had, and the one that cannot be changed, where it has one. */
  address: string;
  permanentAddress: string;
  alias: string;
  /** Bytes. */
  mtu: number;
  up: boolean;
  promisc: boolean;
  allmulti: boolean;
  /** With prefix lengths. Those that the kernel or a lease gave come back by themselves. */
  addresses: string[];
}

/** One device in a container. */
export interface DeviceRecord extends Holder {
  /** The namespace that the path led to; records have not always had it. */
  namespace?: RecordedNetNs;
  device: DeviceState;
}

/**
 * Takes the lock for finding a device and changing it: two ADDs of one device would take each
 * other's records for those of a device that is back on the host.
 */
export async function lockDevices(): Promise<FileLock> {
  runtime.files.makeDirectory(DIRECTORY, 0o700);
  return await FileLock.acquire(DIRECTORY, { create: false });
}

/**
 * Writes the record of a device, before anything is changed. The caller holds {@link lockDevices}.
 */
export function keepRecord(holder: Holder, host: Rtnl, link: Link): DeviceRecord {
  const { name, kind, address, permanentAddress = "", alias = "", mtu } = link;
  const { up, promisc, allmulti } = link;
  const addresses = host.address.list({ device: link })
    .filter((entry) => entry.permanent && !entry.address.ip.isLinkLocal())
    .map((entry) => String(entry.address));
  const device = {
    ...{ name, kind, address, permanentAddress, alias, mtu },
    ...{ up, promisc, allmulti, addresses },
  };
  const record = { ...holder, namespace: recordNetNs(holder.netns), device };
  store().write(nameOf(holder), record);
  return record;
}

/** Reads the record of an attachment; undefined without one, or where it is damaged. */
export function findRecord(attachment: Attachment): DeviceRecord | undefined {
  return store().read(nameOf(attachment));
}

/** Removes what killed ADDs left of records. */
export function sweepRecords(): void {
  store().sweep(ABANDONED_MS);
}

/** Reads the records of all attachments. */
export function listRecords(): readonly DeviceRecord[] {
  return store().list().records;
}

/** Removes the record of a device that is back on the host, or gone for good. */
export function dropRecord(attachment: Attachment): void {
  store().remove(nameOf(attachment));
}

/** Names the file of a record: neither part can have a slash or a colon in it. */
function nameOf({ containerId, ifName }: Attachment): string {
  return `${containerId}:${ifName}`;
}

/** Opens the records. Where one is damaged the device's alias still has its name. */
function store(): RecordStore<DeviceRecord> {
  return new RecordStore<DeviceRecord>({
    directory: DIRECTORY,
    suffix: ".json",
    what: "what a device was like on the host",
    format: 1,
    encode: (record) => ({ ...record, device: { ...record.device } }),
    decode: (value) => {
      const { network, containerId, ifName, netns } = value;
      const texts = [network, containerId, ifName, netns];
      if (!texts.every((text) => typeof text === "string") || !isObject(value.device)) {
        throw new Error("it names no attachment and device");
      }
      const record = value as unknown as DeviceRecord;
      if (typeof record.device.name !== "string") throw new Error("its device has no name");
      for (const address of record.device.addresses) Cidr.parse(address);
      if (value.namespace !== undefined) readRecordedNetNs(value.namespace);
      return record;
    },
  });
}
