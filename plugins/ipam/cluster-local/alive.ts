/** The key that tells that a node was seen lately. Nothing is released because it is missing. */
import type { Session } from "./session.ts";

/** Renews this node's key for as long as `nodeLease` says; there is none where that is absent. */
export async function markAlive(session: Session): Promise<void> {
  const { client, keys, node, etcd } = session;
  if (etcd.nodeLease === undefined) return;
  const key = keys.alive(node);
  const [found] = await session.read({ get: key });
  const [mark] = found!.entries;
  if (mark && await client.keepLease(mark.lease)) return;
  const lease = await client.grantLease(etcd.nodeLease);
  await session.transact({ then: [{ put: key, value: "", lease }] });
}

/** Whether a node's key exists. */
export async function isMarkedAlive(session: Session, node: string): Promise<boolean> {
  const [found] = await session.read({ get: session.keys.alive(node) });
  return found!.entries.length > 0;
}
