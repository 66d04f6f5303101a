/** The store of a call, and the owner of its addresses. */
import type { BareCall, DelCall } from "../../../lib/skel/plugin.ts";
import { dataDirectory } from "./config.ts";
import { DiskStore } from "./disk_store.ts";
import type { Owner } from "./store.ts";

/** The owner of a call's addresses. */
export function ownerOf({ containerId, ifName }: DelCall): Owner {
  return { containerId, ifName };
}

/** Opens the reservations of a call's network; undefined where there have never been any. */
export function openIfPresent(call: BareCall): Promise<DiskStore | undefined> {
  return DiskStore.openIfPresent(dataDirectory(call), call.config.name);
}
