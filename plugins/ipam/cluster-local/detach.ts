import { warn } from "../../../lib/runtime/caller.ts";
import type { DelCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { attachmentOf } from "./call.ts";
import type { EtcdSettings } from "./etcd/settings.ts";
import type { AttachmentOfNode } from "./keys.ts";
import { isWaiting, NodeNotes, type Noted, thisProcess } from "./notes.ts";
import { fence, isInDoubt, release, releasePending } from "./release.ts";
import { Session } from "./session.ts";
import { tryConnection } from "./settings.ts";

/** The most releases that this node keeps until etcd answers again. */
const MAX_PENDING = 4096;

/** The most releases that a DEL makes up for earlier calls. */
const MAX_RELEASES = 16;

/**
 * DEL: releases what the attachment holds. Where that fails the release is noted on disk, and made
 * by a later call: nobody else is given the addresses until then.
 * @throws {CniError} code 11 when too many releases are noted already
 */
export async function detach(call: DelCall): Promise<void> {
  const found = find(call);
  if (!found) {
    warn("cluster-local: nothing is known of the attachment, nor where etcd is: nothing to do\n");
    return;
  }
  const { attachment, etcd, noted } = found;
  const notes = new NodeNotes(attachment.node);
  let isReleased = false;
  try {
    using session = new Session(etcd, attachment.node);
    if (noted.some(isInDoubt)) await fence(session);
    await release(session, attachment, { expected: noted[0]?.note.addresses });
    isReleased = true;
    for (const one of noted) notes.remove(one);
    await session.save();
    await releasePending(session, MAX_RELEASES).catch(() => 0); // left to a later call
  } catch (error) {
    const why = CniError.from(error);
    if (isReleased && noted.length === 0) {
      // A disk that takes no note of how far etcd had come; nothing of the attachment is left.
      warn(`cluster-local: ${why.message}\n`);
      return;
    }
    const all: Noted[] = noted.length > 0 ? noted : [{
      state: "held",
      note: {
        etcd,
        ...attachment,
        nonce: "",
        addresses: [],
        sinceMs: Date.now(),
        process: thisProcess(),
      },
    }];
    for (const one of all) defer(notes, one, why);
  }
}

/** Notes a release, to be made later. */
function defer(notes: NodeNotes, noted: Noted, why: CniError): void {
  const { state, note } = noted;
  if (isWaiting(state)) return;
  const pending = notes.waiting();
  if (pending >= MAX_PENDING) {
    throw CniError.tryAgainLater(
      `${why.message}; ${pending} releases wait for etcd on this node already, and this one is not ` +
        "noted: try again",
    );
  }
  notes.move(noted, state === "held" ? "releasing" : "uncertain");
  warn(
    `cluster-local: ${why.message}; the addresses of container ${note.containerId}, interface ` +
      `${note.ifName}, are released by a later call\n`,
  );
}

/** Finds what is to be released, by what ADD noted, else by the configuration. */
function find(
  call: DelCall,
): { attachment: AttachmentOfNode; etcd: EtcdSettings; noted: Noted[] } | undefined {
  const connection = tryConnection(call);
  // The kernel's name may have been another one when the attachment was made.
  const others = connection?.isNamed ? [] : NodeNotes.nodes();
  for (const node of new Set([...connection ? [connection.node] : [], ...others])) {
    const attachment = attachmentOf(call, node);
    const noted = new NodeNotes(node).of(attachment);
    if (noted[0]) return { attachment, etcd: noted[0].note.etcd, noted };
  }
  return connection && {
    attachment: attachmentOf(call, connection.node),
    etcd: connection.etcd,
    noted: [],
  };
}
