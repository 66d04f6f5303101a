import { ipamAdd, type IpamResult } from "../ipam/delegate.ts";
import type { AddCall } from "../skel/plugin.ts";

/**
 * Reserves addresses, as {@link ipamAdd} does. Where IPAM ends without an answer, and the attachment
 * has an interface in another container, the addresses are left to that one.
 * @throws {CniError} as {@link ipamAdd}
 */
export function reserve(call: AddCall<unknown>): Promise<IpamResult> {
  return ipamAdd(call, async () => {
    const { runsElsewhere } = await import("./elsewhere.ts");
    return runsElsewhere(call);
  });
}
