/**
 * Puts an interface that has left its VRF back into it.
 *
 * @module
 */
import { FileLock } from "../../../lib/host/lock.ts";
import { RT_TABLE_MAIN } from "../../../lib/netlink/route.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import type { Repair } from "../../../lib/skel/repair.ts";
import type { Options } from "./config.ts";
import { findVrf } from "./device.ts";
import { addressesAndRoutesOf, changeMaster } from "./membership.ts";

/** Finds the repairs of an attachment. */
export function repairs({ netns, ifName, options }: AttachmentCall<Options>): Repair[] {
  using sandbox = NetNs.open(netns);
  using inside = Rtnl.open(sandbox);
  const device = findVrf(inside, options);
  const link = inside.link.get(ifName);
  // Another master is somebody else's.
  if (!device || link.master !== undefined) return [];
  return [{
    what: `put ${ifName} back into VRF ${device.name}`,
    async apply() {
      using sandbox = NetNs.open(netns);
      using _lock = await FileLock.acquire(sandbox.path, { create: false });
      using inside = Rtnl.open(sandbox);
      const tables = { from: RT_TABLE_MAIN, to: device.data.table ?? 0 };
      const kept = addressesAndRoutesOf(inside, link);
      await changeMaster(sandbox, inside, link, device, kept, tables);
    },
  }];
}
