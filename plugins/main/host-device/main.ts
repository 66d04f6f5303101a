/**
 * host-device moves one of the host's own interfaces into a container: a network card, an SR-IOV
 * virtual function, or any other.
 *
 * Made: a record of what the device is like, the move with the new name (the device's alias holds
 * the old one), the address reservation, addresses and routes. Undone: the move, then the
 * reservation; the device gets its name, flags and addresses back. A device that a program in user space
 * drives (DPDK) has no interface: for it only addresses are reserved.
 *
 * @module
 */
import { attach } from "../../../lib/attach/attach.ts";
import { checkAttachment } from "../../../lib/attach/check.ts";
import { detach } from "../../../lib/attach/detach.ts";
import { hasIpam, ipamAdd, ipamCheck, ipamGc, ipamStatus } from "../../../lib/ipam/delegate.ts";
import { chooseDns } from "../../../lib/ipam/dns.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import {
  type AddCall,
  type AnyPlugin,
  definePlugin,
  type DelCall,
  type GcCall,
} from "../../../lib/skel/plugin.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { membership } from "../../../lib/types/attachment.ts";
import type { Result } from "../../../lib/types/result.ts";
import { type Options, options } from "./config.ts";
import { configuredDevice, select } from "./device.ts";
import { findOnHost, requireDevice } from "./lookup.ts";
import { expectNotInUse, moveIn, returnToHost } from "./move.ts";
import {
  findRecord,
  type Holder,
  keepRecord,
  listRecords,
  lockDevices,
  sweepRecords,
} from "./record.ts";

const hostDevice: AnyPlugin = definePlugin<Options>({
  name: "host-device",
  options,
  add,

  async del(call) {
    await detach(call, () => returnToHost(holderOf(call), call));
  },

  async check(call) {
    if (select(call.options).dpdk) await ipamCheck(call);
    else await checkAttachment(call);
  },

  async status(call) {
    requirePrivileges();
    const selector = configuredDevice(call.options);
    if (selector) requireDevice(selector);
    await ipamStatus(call);
  },

  async gc(call) {
    sweepRecords();
    await runAll(...orphans(call).map((record) => () => returnToHost(record)), () => ipamGc(call));
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { selector, dpdk } = select(call.options);
  if (dpdk) return await reserveOnly(call);
  return await attach(call, {
    async create(namespaces) {
      const { attachment, ifName, undo } = call;
      const holder = holderOf(call);
      const record = findRecord(attachment);
      if (record) {
        expectNotInUse(record, namespaces);
        await returnToHost(holder); // the device of an attachment that had no DEL
      }
      using _lock = await lockDevices();
      const device = findOnHost(namespaces, selector);
      undo.step(
        `the move of ${device.name}`,
        () => {
          keepRecord(holder, namespaces.host, device);
          moveIn(namespaces, device, ifName);
        },
        () => returnToHost(holder), // which goes by the record, and drops it
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

function holderOf({ attachment, netns }: DelCall): Holder {
  return { ...attachment, netns };
}

/** The records of this network's attachments that are not valid any more. */
function orphans({ config, validAttachments }: GcCall) {
  const isValid = membership(validAttachments);
  return listRecords().filter((record) => record.network === config.name && !isValid(record));
}

export default hostDevice;

if (import.meta.main) await runPlugin(hostDevice);
