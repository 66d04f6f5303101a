import { messageOf } from "../../../lib/runtime/errors.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import type { DelCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { attachmentOf } from "./call.ts";
import { type AttachmentNote, NodeNotes, type State, thisProcess } from "./notes.ts";
import { releaseNoted, releasePending } from "./release.ts";
import { Session } from "./session.ts";
import { tryConnection } from "./settings.ts";

/** How many releases this node keeps for when etcd answers again. */
const MAX_PENDING = 4096;

/** How many of them a DEL sees to. */
const SETTLED = 16;

/**
 * DEL: releases what the attachment holds. Where etcd does not do so the release is noted on disk,
 * and made by a later call: nobody else is given the addresses until then.
 * @throws {CniError} code 11 when too many releases are noted already
 */
export async function detach(call: DelCall): Promise<void> {
  const found = find(call);
  if (!found) {
    warn("cluster-local: nothing is known of the attachment, nor where etcd is: nothing to do\n");
    return;
  }
  const { state, note } = found;
  const notes = new NodeNotes(note.node);
  try {
    using session = new Session(note.etcd, note.node);
    await releaseNoted(session, found);
    notes.remove(note);
    await session.save();
    await releasePending(session, SETTLED).catch(() => 0); // a later call's, then
  } catch (error) {
    defer(notes, state, note, CniError.from(error));
  }
}

/** Notes a release, to be made later. */
function defer(notes: NodeNotes, state: State, note: AttachmentNote, why: CniError): void {
  if (state === "releasing" || state === "uncertain") return;
  const pending = notes.count("releasing") + notes.count("uncertain");
  if (pending >= MAX_PENDING) {
    throw CniError.tryAgainLater(
      `${why.message}; ${pending} releases wait for etcd on this node already, and this one is not ` +
        "noted: try again",
    );
  }
  notes.write(state === "held" ? "releasing" : "uncertain", note);
  warn(
    `cluster-local: ${messageOf(why)}; the addresses of container ${note.containerId}, interface ` +
      `${note.ifName}, are released by a later call\n`,
  );
}

/** What is to be released, by what ADD noted; without, by the configuration. */
function find(call: DelCall): { state: State; note: AttachmentNote } | undefined {
  const connection = tryConnection(call);
  // The kernel's name may have been another one when the attachment was made.
  const others = connection?.isNamed ? [] : NodeNotes.nodes();
  for (const node of new Set([...connection ? [connection.node] : [], ...others])) {
    const found = new NodeNotes(node).find(attachmentOf(call, node));
    if (found) return found;
  }
  return connection && {
    state: "held",
    note: {
      etcd: connection.etcd,
      ...attachmentOf(call, connection.node),
      nonce: "",
      addresses: [],
      sinceMs: Date.now(),
      process: thisProcess(),
    },
  };
}
