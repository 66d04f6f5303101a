import { CniError } from "../../../lib/types/error.ts";
import { behind } from "./keys.ts";
import { readRecord } from "./records.ts";
import type { Session } from "./session.ts";
import type { AddressSet } from "./settings.ts";

/** How many holders of a range are read to tell who has the addresses. */
const SAMPLE = 1000;

/** How many nodes are named. */
const NAMED = 5;

/** Makes the error of a set without a free address: how many are given, and to whom. */
export async function exhausted(
  session: Session,
  set: AddressSet,
  index: number,
): Promise<CniError> {
  const keys = session.keys.pool(set.pool);
  const pages = await session.read(
    ...set.ranges.ranges.map(({ start, end }) => ({
      get: keys.address(start),
      end: behind(keys.address(end)),
      limit: SAMPLE,
    })),
  );
  const taken = pages.reduce((sum, { count }) => sum + count, 0);
  const byNode = new Map<string, number>();
  for (const entry of pages.flatMap(({ entries }) => entries)) {
    const { node } = readRecord("address", entry);
    byNode.set(node, (byNode.get(node) ?? 0) + 1);
  }
  const largest = [...byNode].sort(([, a], [, b]) => b - a);
  const nodes = largest.slice(0, NAMED).map(([node, count]) => `${node} (${count})`);
  const more = largest.length > NAMED ? ` and ${largest.length - NAMED} more` : "";
  return CniError.tryAgainLater(
    `failed to allocate for range ${index}: no IP addresses available in range set: ` +
      `${set.ranges} of pool ${set.pool}: ${taken} of ${set.ranges.size} are taken, by ` +
      `${nodes.join(", ") || "nobody"}${more}; widen the range, let the runtime collect garbage ` +
      "(GC), or release a node that is gone (cnitool ipam NETWORK --release-node NAME)",
  );
}
