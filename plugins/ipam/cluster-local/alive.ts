/** A mark that a node was seen lately. Nothing is released for want of it. */
import type { Session } from "./session.ts";

/** Has this node's mark last as long as is configured, from now on; none where nothing is. */
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

/** Whether a node's mark is there. */
export async function isMarkedAlive(session: Session, node: string): Promise<boolean> {
  const [found] = await session.read({ get: session.keys.alive(node) });
  return found!.entries.length > 0;
}
