import { RT_TABLE_LOCAL } from "../netlink/route.ts";
import type { Rtnl } from "./rtnl.ts";

const RT_TABLE_DEFAULT = 253;

/** Tells whether a routing table is one of the kernel's: default, main or local. */
export function isReserved(table: number): boolean {
  return table >= RT_TABLE_DEFAULT && table <= RT_TABLE_LOCAL;
}

/**
 * The lowest routing table from `first` on that nothing in the namespace uses: no rule looks it up,
 * no VRF has it, no route is in it. It is free only until somebody else takes it: whoever asks holds
 * a lock until it has put something there.
 */
export function freeTable({ rule, route, link }: Rtnl, first: number): number {
  const used = new Set([
    ...rule.list().map(({ table }) => table),
    ...route.list().map(({ table }) => table),
    ...link.list({ kind: "vrf" }).map(({ data }) => data.table),
  ]);
  for (let table = first;; table++) {
    if (!isReserved(table) && !used.has(table)) return table;
  }
}
