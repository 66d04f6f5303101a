/**
 * host-device moves one of the host's own interfaces into a container: a network card, an SR-IOV
 * virtual function, or any other.
 *
 * Made: a record of what the device is like, the move with the new name (the device's alias holds
 * the old one), the address reservation, addresses and routes. Undone: the reservation, then the
 * move; the device gets its name, flags and addresses back. A device that a program in user space
 * drives (DPDK) has no interface: for it only addresses are reserved.
 *
 * @module
 */
import { attach, type Place } from "../../../lib/attach/attach.ts";
import { checkAttachment } from "../../../lib/attach/check.ts";
import {
  hasIpam,
  ipamAdd,
  ipamCheck,
  ipamDel,
  ipamGc,
  ipamStatus,
} from "../../../lib/ipam/delegate.ts";
import { chooseDns } from "../../../lib/ipam/dns.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import {
  type AddCall,
  type AttachmentCall,
  definePlugin,
  type GcCall,
} from "../../../lib/skel/plugin.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { membership } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { type Options, options } from "./config.ts";
import {
  configuredDevice,
  describe,
  findDevice,
  isPresent,
  select,
  type Selector,
} from "./device.ts";
import { bringHome, findStranded, isSame, moveIn, restore } from "./journey.ts";
import {
  type DeviceRecord,
  dropRecord,
  findRecord,
  type Holder,
  keepRecord,
  listRecords,
  lockDevices,
} from "./record.ts";

const hostDevice = definePlugin<Options>({
  name: "host-device",
  options,
  add,

  async del(call) {
    const name = call.options.device || undefined;
    await runAll(() => ipamDel(call), () => bringHome(holderOf(call), { name, patient: true }));
  },

  async check(call) {
    if (select(call.options).dpdk) await ipamCheck(call);
    else await checkAttachment(call, undefined);
  },

  async status(call) {
    const selector = configuredDevice(call.options);
    if (selector) expectDevice(selector);
    await ipamStatus(call);
  },

  async gc(call) {
    await runAll(...orphans(call).map((record) => () => bringHome(record)), () => ipamGc(call));
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { selector, dpdk } = select(call.options);
  if (dpdk) return await reserveOnly(call);
  return await attach(call, {
    async create(place) {
      const { attachment, ifName, undo } = call;
      const holder = holderOf(call);
      // The device of an attachment that had no DEL.
      if (findRecord(attachment)) await bringHome(holder);
      using _lock = await lockDevices();
      const device = findAtHome(place, selector);
      undo.step(
        `the move of ${device.name}`,
        () => {
          keepRecord(holder, place.host, device);
          moveIn(place, device, ifName);
        },
        () => bringHome(holder), // which goes by the record, and drops it
        { ambiguous: true }, // the kernel moves it first, and may refuse its alias then
      );
    },
  });
}

/** A result for a device without an interface: what drives it is told its address. */
async function reserveOnly(call: AddCall<Options>): Promise<Result> {
  const { ifName, netns, config } = call;
  const interfaces = [{ name: ifName, sandbox: netns }];
  if (!hasIpam(call)) return { interfaces };
  const { ips, routes, dns } = await ipamAdd(call);
  return {
    interfaces,
    ips: ips.map((ip) => ({ ...ip, interface: 0 })),
    routes,
    dns: chooseDns(config.dns, dns),
  };
}

/**
 * The device, on the host and under its own name. One that came out of its container's namespace
 * when that was deleted is put right first.
 */
function findAtHome({ host }: Place, selector: Selector): Link {
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
function expectDevice(selector: Selector): void {
  using host = Rtnl.open();
  if (isPresent(host, selector) || findHolder(selector)) return;
  if (selector.by === "name" && findStranded(host, selector.name)) return;
  throw CniError.notAvailable(notFound(selector).message);
}

/** Who has a device; nothing tells that of one known by its place in /sys. */
function findHolder(selector: Selector): DeviceRecord | undefined {
  return listRecords().find(({ device, netns }) =>
    selector.by === "name"
      ? device.name === selector.name || goesBy(selector.name, netns)
      : selector.by === "address" && device.address === selector.address
  );
}

/** Whether something in a namespace has this alternative name: a device takes them along. */
function goesBy(name: string, netns: string): boolean {
  using sandbox = NetNs.openIfUsable(netns);
  if (!sandbox) return false;
  using inside = Rtnl.open(sandbox);
  return (inside.link.find(name)?.name ?? name) !== name;
}

function holderOf({ attachment, netns }: AttachmentCall<Options>): Holder {
  return { ...attachment, netns };
}

/** The records of this network's attachments that are not valid any more. */
function orphans({ config, validAttachments }: GcCall<Options>) {
  const isValid = membership(validAttachments);
  return listRecords().filter((record) => record.network === config.name && !isValid(record));
}

export default hostDevice;

if (import.meta.main) await runPlugin(hostDevice);
