/**
 * tap gives a container an interface whose other end is a program: a virtual machine's network
 * card, or a VPN.
 *
 * Made: the interface, its place on a bridge in the container, the address reservation, addresses
 * and routes. Undone: the reservation, then the interface.
 *
 * @module
 */
import { attach } from "../../../lib/attach/attach.ts";
import { checkAttachment, expectProperty } from "../../../lib/attach/check.ts";
import { detach, removeLink } from "../../../lib/attach/detach.ts";
import { requestedMac } from "../../../lib/attach/requested_mac.ts";
import { ipamGc, ipamStatus } from "../../../lib/ipam/delegate.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { ifPresent } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { type Options, options } from "./config.ts";
import { createTap, TUN_DEVICE } from "./create.ts";

/** What the kernel calls both TUN and TAP interfaces. */
const KIND = "tun";
const TAP = 2;

const tap = definePlugin<Options>({
  name: "tap",
  options,

  async add(call) {
    const { ifName, options } = call;
    const address = requestedMac(call);
    return await attach(call, {
      noDad: true, // there is no carrier, and so no neighbour, before a program opens the other end
      async create({ sandbox, inside }) {
        await call.undo.step(
          "the interface",
          () => createTap(sandbox, ifName, options),
          () => removeLink(call, KIND),
        );
        const master = options.bridge ? findBridge(inside, options.bridge) : undefined;
        inside.link.set(ifName, { mtu: options.mtu || undefined, address, master });
      },
    });
  },

  del: (call) => detach(call, KIND),

  async check(call) {
    const { options } = call;
    await checkAttachment(call, KIND, (link, { inside }) => {
      const { type, owner, group, multiQueue } = link.data;
      expectProperty(link, "tun type", TAP, type);
      expectProperty(link, "owner", options.owner, owner);
      expectProperty(link, "group", options.group, group);
      expectProperty(link, "multiQueue", options.multiQueue, multiQueue === 1);
      expectProperty(link, "MTU", options.mtu || undefined, link.mtu);
      if (options.bridge) {
        expectProperty(link, "master #", findBridge(inside, options.bridge).index, link.master);
      }
    });
  },

  async status(call) {
    if (!ifPresent(() => runtime.files.stat(TUN_DEVICE))) {
      throw CniError.notAvailable(`there is no ${TUN_DEVICE}; load the kernel's module tun`);
    }
    await ipamStatus(call);
  },

  gc: ipamGc,
});

/** @throws {CniError} code 7 */
function findBridge(inside: Rtnl, name: string): Link {
  const link = inside.link.find(name);
  if (link?.kind === "bridge") return link;
  throw CniError.invalidConfig(
    `failed to get bridge ${name}: ` +
      (link ? `it is a ${link.kind || "device"}` : "there is no such interface in the container"),
  );
}

export default tap;

if (import.meta.main) await runPlugin(tap);
