import type { GcCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { all } from "./etcd/transaction.ts";
import { readAll } from "./pages.ts";
import { release, releasePending, requireOwnName } from "./release.ts";
import { Session } from "./session.ts";
import { tryConnection } from "./settings.ts";

/**
 * GC: releases what this node's attachments to this network hold where they are no longer valid,
 * and what earlier calls could not release.
 * @throws {CniError} code 11 when etcd does not answer; 7 when the node's name is another machine's
 */
export async function collect(call: GcCall): Promise<void> {
  const connection = tryConnection(call);
  if (!connection) {
    throw CniError.invalidConfig('"ipam" does not say where etcd is, or names no node');
  }
  using session = new Session(connection.etcd, connection.node);
  const { keys, node, notes } = session;
  await requireOwnName(session);
  await releasePending(session, Infinity);
  const network = call.config.name;
  const valid = new Set(
    call.validAttachments.map(({ containerId, ifName }) =>
      keys.owner({ node, network, containerId, ifName })
    ),
  );
  const owners = all(keys.owners(node, network));
  for await (const { key } of readAll(session, { ...owners, keysOnly: true })) {
    if (valid.has(key)) continue;
    await release(session, keys.attachmentOf(key));
  }
  for (const noted of notes.held()) {
    const { note } = noted;
    if (note.network === network && !valid.has(keys.owner(note))) notes.remove(noted);
  }
  notes.sweep();
  await session.save();
}
