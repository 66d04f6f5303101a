import type { NetNs } from "../ns/netns.ts";
import { visibleNetNs } from "../ns/visible.ts";
import { Rtnl } from "../rtnl/rtnl.ts";

/** A namespace that can be entered, and a socket in it, which is closed after its iteration. */
export interface VisibleNamespace {
  netns: NetNs;
  rtnl: Rtnl;
}

/** Iterates over the namespaces that can be seen and entered, but for one. */
export function* enterVisible(except: NetNs): Generator<VisibleNamespace> {
  for (using netns of visibleNetNs()) {
    if (netns.is(except)) continue;
    using rtnl = tryToEnter(netns);
    if (rtnl) yield { netns, rtnl };
  }
}

/** Opens a socket in a namespace; undefined where entering it is not permitted: another user's. */
function tryToEnter(netns: NetNs): Rtnl | undefined {
  try {
    return Rtnl.open(netns);
  } catch {
    return undefined;
  }
}
