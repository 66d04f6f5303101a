/**
 * macvlan gives a container an interface with a MAC address of its own on one of the host's
 * networks: to its neighbours the container is one more machine on the wire.
 *
 * Made: the interface, the address reservation, addresses and routes. Undone: the interface, then the
 * reservation. The kernel lets host and containers not reach each other over the parent.
 *
 * @module
 */
import type { AnyPlugin } from "../../../lib/skel/plugin.ts";
import { expectProperty } from "../../../lib/attach/check.ts";
import { linkPlugin } from "../../../lib/attach/link_plugin.ts";
import { onParent } from "../../../lib/attach/parent_link.ts";
import { requestedMac } from "../../../lib/attach/requested_mac.ts";
import { hasIpam } from "../../../lib/ipam/delegate.ts";
import { MACVLAN_FLAG_NOPROMISC } from "../../../lib/netlink/link.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { isPassthru, modeOf, MODES, type Options, options } from "./config.ts";

const KIND = "macvlan";

const macvlan: AnyPlugin = linkPlugin(onParent<Options>({
  name: "macvlan",
  kind: KIND,
  options,
  limitsMtu: true,

  link(call) {
    const { options } = call;
    const data = {
      mode: MODES[modeOf(options)],
      // Without addresses of its own the container is a switch or a host of virtual machines,
      // and has to see frames for others; else the parent need not take them.
      flags: isPassthru(options) && hasIpam(call) ? MACVLAN_FLAG_NOPROMISC : undefined,
      bcQueueLen: options.bcqueuelen || undefined,
      bcCutoff: options.bclim,
    };
    return { address: requestedMac(call), data };
  },

  // In passthru mode the MAC address is the parent's, and only who asks for another gives it one: on
  // creation the kernel would ignore it. The parent's own comes back with the interface's end.
  changes: (call) => isPassthru(call.options) ? { address: requestedMac(call) } : {},
  macFromAddress: (call) => !requestedMac(call) && !isPassthru(call.options),

  check({ options }, link) {
    expectProperty(link, "mode", MODES[modeOf(options)], link.data.mode);
    expectProperty(link, "bcqueuelen", options.bcqueuelen || undefined, link.data.bcQueueLen);
    // Kernels that know no limit report none.
    if (link.data.bcCutoff !== undefined) {
      expectProperty(link, "bclim", options.bclim, link.data.bcCutoff);
    }
  },

  conflicts(call, own) {
    const mac = own?.address ?? requestedMac(call);
    return [{
      errors: ["EADDRINUSE"],
      what: `MAC address ${mac}`,
      holds: ({ role, link }) => role !== "controller" && link.address === mac,
    }, {
      errors: ["EBUSY"],
      what: "the parent",
      holds: ({ role, link }) =>
        role === "controller" || role === "sibling" && link.kind === "ipvlan",
    }, {
      errors: ["EINVAL"],
      what: "the parent",
      // Who passes everything through wants the parent alone.
      holds: ({ role, link }) =>
        role === "sibling" && link.kind === KIND &&
        (isPassthru(call.options) || link.data.mode === MODES.passthru),
    }];
  },
}));

export default macvlan;

if (import.meta.main) await runPlugin(macvlan);
