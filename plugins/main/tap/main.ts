/**
 * tap gives a container an interface whose other end is a program: a virtual machine's network
 * card, or a VPN.
 *
 * Made: the interface, its membership of a bridge in the container, the address reservation,
 * addresses and routes. Undone: the interface, then the reservation.
 *
 * @module
 */
import type { AnyPlugin } from "../../../lib/skel/plugin.ts";
import { expectProperty } from "../../../lib/attach/check.ts";
import { linkPlugin } from "../../../lib/attach/link_plugin.ts";
import { requestedMac } from "../../../lib/attach/requested_mac.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { ifPresent } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { type Options, options } from "./config.ts";
import { createTap, TUN_DEVICE } from "./create.ts";

/** `linux/if_tun.h`: IFF_TAP, as the kernel reports it. */
const TAP = 2;

const tap: AnyPlugin = linkPlugin<Options>({
  name: "tap",
  kind: "tun", // what the kernel calls both TUN and TAP interfaces
  options,
  noDad: true, // there is no carrier, and so no neighbour, before a program opens the other end

  create: ({ ifName, options }, { sandbox }) => createTap(sandbox, ifName, options),

  changes: (call, { inside }) => ({
    mtu: call.options.mtu || undefined,
    address: requestedMac(call),
    master: findBridge(inside, call.options),
  }),

  check({ options }, link, { inside }) {
    const { type, owner, group, multiQueue } = link.data;
    expectProperty(link, "tun type", TAP, type);
    expectProperty(link, "owner", options.owner, owner);
    expectProperty(link, "group", options.group, group);
    expectProperty(link, "multiQueue", options.multiQueue, multiQueue === 1);
    expectProperty(link, "MTU", options.mtu || undefined, link.mtu);
    expectProperty(link, "master #", findBridge(inside, options), link.master);
  },

  status() {
    if (ifPresent(() => runtime.files.stat(TUN_DEVICE))) return;
    throw CniError.notAvailable(`there is no ${TUN_DEVICE}; load the kernel's module tun`);
  },
});

/** Finds the index of the bridge that the interface becomes a port of. @throws {CniError} code 7 */
function findBridge(inside: Rtnl, { bridge: name }: Options): number | undefined {
  if (!name) return undefined;
  const link = inside.link.find(name);
  if (link?.kind === "bridge") return link.index;
  throw CniError.invalidConfig(
    `failed to get bridge ${name}: ` +
      (link ? `it is a ${link.kind || "device"}` : "there is no such interface in the container"),
  );
}

export default tap;

if (import.meta.main) await runPlugin(tap);
