/**
 * macvlan gives a container an interface with a MAC address of its own on one of the host's
 * networks: to its neighbours the container is one more machine on the wire.
 *
 * Made: the interface, the address reservation, addresses and routes. Undone: the reservation, then
 * the interface. The kernel lets host and containers not reach each other over the master.
 *
 * @module
 */
import { attach } from "../../../lib/attach/attach.ts";
import { checkAttachment, expectProperty } from "../../../lib/attach/check.ts";
import { type Conflict, explainConflict } from "../../../lib/attach/conflict.ts";
import { detach } from "../../../lib/attach/detach.ts";
import {
  addToMaster,
  expectMaster,
  findMaster,
  limitMtu,
  masterSide,
} from "../../../lib/attach/master.ts";
import { requestedMac } from "../../../lib/attach/requested_mac.ts";
import { hasIpam, ipamGc, ipamStatus } from "../../../lib/ipam/delegate.ts";
import { MACVLAN_FLAG_NOPROMISC } from "../../../lib/netlink/link.ts";
import { type AddCall, type AttachmentCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import type { Result } from "../../../lib/types/result.ts";
import { modeOf, MODES, type Options, options } from "./config.ts";

const KIND = "macvlan";

const macvlan = definePlugin<Options>({
  name: "macvlan",
  options,
  add,

  del: (call) => detach(call, KIND),

  check,

  async status(call) {
    expectMaster(call.options);
    await ipamStatus(call);
  },

  gc: ipamGc,
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { options } = call;
  const address = requestedMac(call);
  const passthru = modeOf(options) === "passthru";
  return await attach(call, {
    // In passthru mode the MAC address is the master's, and only who asks for another gives it one.
    macFromAddress: !address && !passthru,
    create(place) {
      const master = findMaster(masterSide(place, options), options);
      limitMtu(options, master);
      const data = {
        mode: MODES[modeOf(options)],
        // Without addresses of its own the container is a switch or a host of virtual machines,
        // and has to see frames for others; else the master need not take them.
        flags: passthru && hasIpam(call) ? MACVLAN_FLAG_NOPROMISC : undefined,
        bcQueueLen: options.bcqueuelen || undefined,
        bcCutoff: options.bclim,
      };
      addToMaster(call, place, master, { kind: KIND, address, data });
      // On creation the kernel would ignore it. The master's own comes back with the interface's end.
      if (passthru && address) place.inside.link.set(call.ifName, { address });
    },
    explain(error, place) {
      const { ifName } = call;
      const mac = place.inside.link.find(ifName)?.address ?? address;
      return explainConflict(error, place, { ...options, ifName }, conflicts(mac, passthru));
    },
  });
}

/** What the kernel refuses because of another interface. */
function conflicts(mac: string | undefined, passthru: boolean): Conflict[] {
  return [{
    errors: ["EADDRINUSE"],
    what: `MAC address ${mac}`,
    holds: ({ role, link }) => role !== "controller" && link.address === mac,
  }, {
    errors: ["EBUSY"],
    what: "the master",
    holds: ({ role, link }) =>
      role === "controller" || role === "sibling" && link.kind === "ipvlan",
  }, {
    errors: ["EINVAL"],
    what: "the master",
    // Who passes everything through wants the master alone.
    holds: ({ role, link }) =>
      role === "sibling" && link.kind === KIND &&
      (passthru || link.data.mode === MODES.passthru),
  }];
}

async function check(call: AttachmentCall<Options>): Promise<void> {
  const { options } = call;
  await checkAttachment(call, KIND, (link, place) => {
    const master = findMaster(masterSide(place, options), options);
    limitMtu(options, master);
    if (options.master) expectProperty(link, "master #", master.index, link.parent);
    expectProperty(link, "mode", MODES[modeOf(options)], link.data.mode);
    expectProperty(link, "MTU", options.mtu || undefined, link.mtu);
    expectProperty(link, "bcqueuelen", options.bcqueuelen || undefined, link.data.bcQueueLen);
    // Kernels that know no limit report none.
    if (link.data.bcCutoff !== undefined) {
      expectProperty(link, "bclim", options.bclim, link.data.bcCutoff);
    }
  });
}

export default macvlan;

if (import.meta.main) await runPlugin(macvlan);
