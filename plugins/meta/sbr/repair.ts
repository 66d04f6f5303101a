/**
 * Puts right rules that are missing, and default routes in the tables that they lead to.
 *
 * @module
 */
import { FileLock } from "../../../lib/host/lock.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Route } from "../../../lib/rtnl/route.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import type { Repair } from "../../../lib/skel/repair.ts";
import type { Options } from "./config.ts";
import { isOwnTable, type Source } from "./routing.ts";
import { findRules, requireSources } from "./sources.ts";

/** Finds the repairs of an attachment. */
export function repairs(call: AttachmentCall<Options>): Repair[] {
  using sandbox = NetNs.open(call.netns);
  using inside = Rtnl.open(sandbox);
  const device = inside.link.get(call.ifName);
  const routes = inside.route.list({ device });
  return requireSources(call, requirePrevResult(call)).flatMap((source) => {
    const [rule] = findRules(inside, call.options.table, [source.own]);
    const table = rule?.table ?? (call.options.table || filledTable(routes, source));
    // Without its table nobody knows what was in it.
    if (table === undefined) return [];
    return [
      ...rule ? [] : [addRule(call, source, table)],
      ...call.options.table === 0 ? addDefault(call, device, routes, source, table) : [],
    ];
  });
}

/** Finds the table that ADD filled for an address: it has a route by its gateway, or to its subnet. */
function filledTable(routes: readonly Route[], { own, gateway }: Source): number | undefined {
  const isFor = ({ to, via }: Route) =>
    gateway ? to.prefix === 0 && via?.equals(gateway) : to.equals(own.network());
  return routes.find((route) => isOwnTable(route.table) && isFor(route))?.table;
}

function addRule(call: AttachmentCall<Options>, { own }: Source, table: number): Repair {
  return {
    what: `add the rule from ${own.ip} lookup ${table}`,
    apply: () =>
      inSandbox(
        call,
        (inside) => inside.rule.add({ family: own.ip.family, from: Cidr.host(own.ip), table }),
      ),
  };
}

function addDefault(
  call: AttachmentCall<Options>,
  device: Link,
  routes: readonly Route[],
  { own, gateway: via }: Source,
  table: number,
): Repair[] {
  const isThere = routes.some((route) =>
    route.table === table && route.to.prefix === 0 && via && route.via?.equals(via)
  );
  if (!via || isThere) return [];
  return [{
    what: `add the default route via ${via} to table ${table}`,
    apply: () =>
      inSandbox(
        call,
        (inside) => inside.route.add({ to: Cidr.default(own.ip.family), via, device, table }),
      ),
  }];
}

/** Does `work` under the namespace's lock, as ADD and DEL do. */
async function inSandbox(
  { netns }: AttachmentCall<Options>,
  work: (inside: Rtnl) => void,
): Promise<void> {
  using sandbox = NetNs.open(netns);
  using _lock = await FileLock.acquire(sandbox.path, { create: false });
  using inside = Rtnl.open(sandbox);
  work(inside);
}
