/** Lists and frees a cluster's addresses, for cnitool, and repairs what no node can by itself. */
import { IpAddress } from "../../../lib/ip/address.ts";
import type { Call } from "../../../lib/skel/plugin.ts";
import type { Reservation, ReservationBook } from "../../../lib/skel/reservations.ts";
import { CniError } from "../../../lib/types/error.ts";
import { isMarkedAlive } from "./alive.ts";
import { openSession } from "./call.ts";
import { all } from "./etcd/transaction.ts";
import { addressAt } from "./keys.ts";
import { readAll } from "./pages.ts";
import type { Options } from "./options.ts";
import { readRecord } from "./records.ts";
import { release } from "./release.ts";
import { releaseNode } from "./release_node.ts";
import { openAdd, restore } from "./restore.ts";
import type { Session } from "./session.ts";
import { type AddressSet, addressSets, isGivable } from "./settings.ts";

/** @see ReservationBook */
export const reservations: ReservationBook<Call<Options>> = {
  async list(call) {
    const sets = addressSets(call);
    using session = openSession(call);
    const { keys, etcd } = session;
    const found: Reservation[] = [];
    for (const pool of new Set(sets.map(({ pool }) => pool))) {
      for await (const entry of readAll(session, all(keys.pool(pool).addresses))) {
        const address = addressAt(entry.key);
        const { node, containerId, ifName, sinceMs } = readRecord("address", entry);
        const index = sets.findIndex((set) => set.pool === pool && isGivable(set, address));
        found.push({
          address: address.toString(),
          containerId,
          ifName,
          sinceMs,
          node,
          pool: index < 0 ? undefined : index,
        });
      }
    }
    return {
      source: `${etcd.endpoints.join(", ")}, ${etcd.prefix}`,
      pools: sets.map((set, index) => ({
        ranges: set.ranges.ranges.map(String),
        size: sizeOf(set),
        held: found.filter(({ pool }) => pool === index).length,
      })),
      reservations: found,
    };
  },

  async free(call, { address, pool = 0 }) {
    const set = addressSets(call)[pool]!;
    using session = openSession(call);
    const key = session.keys.pool(set.pool).address(IpAddress.parse(address));
    const [found] = await session.read({ get: key });
    const [entry] = found!.entries;
    if (!entry) return;
    const holder = readRecord("address", entry);
    await release(session, holder, { nonce: holder.nonce });
  },

  shared: {
    async heldBy(call, node) {
      using session = openSession(call);
      requireOther(session, node);
      const addresses: string[] = [];
      for await (const entry of readAll(session, all(session.keys.owners(node)))) {
        const owner = readRecord("owner", entry);
        addresses.push(...owner.addresses.map(({ address }) => address));
      }
      return { addresses, wasSeen: await isMarkedAlive(session, node) };
    },

    async releaseNode(call, node) {
      using session = openSession(call);
      requireOther(session, node);
      await releaseNode(session, node, addressSets(call).map(({ pool }) => pool));
    },

    async restore(call) {
      using session = openSession(call);
      return await restore(session);
    },

    async open(call) {
      using session = openSession(call);
      await openAdd(session);
    },
  },
};

/** Expects another node's name. @throws {CniError} code 7 for this node itself */
function requireOther({ node }: Session, other: string): void {
  if (node !== other) return;
  throw CniError.invalidConfig(
    `${node} is this node, which is not gone; DEL and GC release what its containers held`,
  );
}

/** Counts the addresses that a set can give. */
function sizeOf({ ranges, exclude }: AddressSet): bigint {
  let size = ranges.size;
  // An address that several spans exclude counts once: those up to `counted` have been counted.
  let counted = -1n;
  const spans = exclude.filter(({ first }) => first.family === ranges.family)
    .toSorted((a, b) => a.first.compare(b.first));
  for (const { first, last } of spans) {
    for (const { start, end, gateway } of ranges.ranges) {
      const from = [first.value, start.value, counted + 1n].reduce((a, b) => a > b ? a : b);
      const to = last.value < end.value ? last.value : end.value;
      if (to < from) continue;
      size -= to - from + 1n;
      if (gateway.value >= from && gateway.value <= to) size++;
    }
    if (last.value > counted) counted = last.value;
  }
  return size;
}
