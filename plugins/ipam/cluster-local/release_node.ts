import { absent, all, unchanged } from "./etcd/transaction.ts";
import { addressAt, behind, lastOf } from "./keys.ts";
import { readAll } from "./pages.ts";
import { readRecord } from "./records.ts";
import { release } from "./release.ts";
import type { Session } from "./session.ts";

/**
 * Releases everything of a node that is gone: what its attachments hold, its empty blocks, its
 * name. Blocks with addresses that other nodes borrowed stay, and others may go on borrowing from
 * them.
 * @param pools where to look for its blocks, beside the pools of what it holds
 */
export async function releaseNode(
  session: Session,
  node: string,
  pools: readonly string[],
): Promise<void> {
  const { keys } = session;
  const found = new Set(pools);
  for await (const entry of readAll(session, all(keys.owners(node)))) {
    for (const { pool } of readRecord("owner", entry).addresses) found.add(pool);
    await release(session, keys.attachmentOf(entry.key));
  }
  for (const pool of found) await giveBack(session, node, pool);
  await session.transact({
    if: [absent(all(keys.owners(node)).get, all(keys.owners(node)).end)],
    then: [{ remove: keys.node(node) }, { remove: keys.alive(node) }],
  });
}

async function giveBack(session: Session, node: string, name: string): Promise<void> {
  const pool = session.keys.pool(name);
  for await (const entry of readAll(session, all(pool.blocks))) {
    if (readRecord("block", entry).node !== node) continue;
    const first = addressAt(entry.key);
    const last = lastOf(first);
    await session.transact({
      if: [
        unchanged(entry.key, entry),
        absent(pool.address(first), behind(pool.address(last))),
      ],
      then: [
        { remove: entry.key },
        { remove: pool.free(node, first), end: behind(pool.free(node, last)) },
        { put: pool.spare(first), value: "" },
      ],
    });
  }
}
