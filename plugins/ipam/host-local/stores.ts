/** A call's own store, and its owner in there. */
import type { BareCall, DelCall } from "../../../lib/skel/plugin.ts";
import { dataDirectory } from "./config.ts";
import { DiskStore } from "./disk_store.ts";
import type { Owner } from "./store.ts";

/** Whom a call's addresses are reserved for. */
export function ownerOf({ containerId, ifName }: DelCall): Owner {
  return { containerId, ifName };
}

/** The reservations of a call's network; undefined where there have never been any. */
export function openIfPresent(call: BareCall): Promise<DiskStore | undefined> {
  return DiskStore.openIfPresent(dataDirectory(call), call.config.name);
}
