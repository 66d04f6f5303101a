import { Cidr } from "../../../lib/ip/cidr.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { describe } from "./allocator.ts";
import { type Options, rangeSets } from "./config.ts";
import { openIfPresent, ownerOf } from "./stores.ts";

/**
 * Expects that the attachment holds an address, and every one that the previous result took from the
 * configured sets.
 * @throws {CniError} code 999
 */
export async function check(call: AttachmentCall<Options>): Promise<void> {
  const sets = rangeSets(call);
  using store = await openIfPresent(call);
  const held = store?.heldBy(ownerOf(call)) ?? [];
  if (!store || held.length === 0) {
    throw CniError.internal(
      `host-local: Failed to find address added by container ${call.containerId} for interface ` +
        call.ifName,
    );
  }
  for (const { address } of call.prevResult?.ips ?? []) {
    const ip = Cidr.tryParse(address)?.ip;
    if (!ip || !sets.some((set) => set.rangeOf(ip))) continue;
    if (held.some((one) => one.equals(ip))) continue;
    const holder = store.holderOf(ip);
    throw CniError.internal(
      `host-local: ${ip} of prevResult is ${
        holder ? `held by ${describe(holder)}` : "not reserved"
      }; ${describe(ownerOf(call))} holds ${held.join(", ")}`,
    );
  }
}
