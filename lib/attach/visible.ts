import type { NetNs } from "../ns/netns.ts";
import { visibleNetNs } from "../ns/visible.ts";
import { Rtnl } from "../rtnl/rtnl.ts";

/** A namespace that can be entered, and a socket in it, open while whoever iterates is about it. */
export interface VisibleNamespace {
  netns: NetNs;
  rtnl: Rtnl;
}

/** Every namespace that can be seen and entered, but for one. */
export function* enterVisible(except: NetNs): Generator<VisibleNamespace> {
  for (using netns of visibleNetNs()) {
    if (netns.is(except)) continue;
    using rtnl = tryToEnter(netns);
    if (rtnl) yield { netns, rtnl };
  }
}

/** Undefined for a namespace that we may see but not enter: another user's. */
function tryToEnter(netns: NetNs): Rtnl | undefined {
  try {
    return Rtnl.open(netns);
  } catch {
    return undefined;
  }
}
