import type { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";

/**
 * Finds the host's end of the container's veth pair in the previous result.
 * @throws {CniError} code 999 naming the interface that is there instead
 */
export function requirePeer(
  host: Rtnl,
  inside: Rtnl,
  sandbox: NetNs,
  ifName: string,
  result: Result,
): Link {
  if (!result.interfaces?.length) throw CniError.internal("no interfaces provided in prevResult");
  const near = inside.link.get(ifName);
  if (near.kind !== "veth") {
    throw CniError.internal(
      `container interface ${ifName} has no veth peer: it is a ${
        near.kind || "device"
      }, and only ` +
        'veth pairs can be limited; remove "bandwidth" from this network\'s plugins',
    );
  }
  const far = findHostEnd(host, sandbox, near);
  if (!far) throw CniError.internal(`veth peer with index ${near.parent} is not in host ns`);
  if (result.interfaces.some(({ name, sandbox }) => name === far.name && !sandbox)) return far;
  const known = result.interfaces.filter(({ sandbox }) => !sandbox).map(({ name }) => name);
  throw CniError.internal(
    `no veth peer of container interface found in host ns: it is ${far.name}, and prevResult has ` +
      `${known.join(", ") || "no interface on the host"}`,
  );
}
