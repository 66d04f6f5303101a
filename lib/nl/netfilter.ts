/**
 * The process's netlink socket to netfilter: one, which stays open.
 *
 * Whoever closes such a socket waits until the kernel has taken apart what anybody deleted from the
 * rule set just before, a grace period of 10 to 16 ms, while deleting itself takes a hundredth of
 * one. Kept open to the end of the process, it costs nothing where the process has something else
 * to do meanwhile.
 *
 * @module
 */
import { currentIdentity } from "../ns/netns.ts";
import { type FileId, isSameFile } from "../runtime/same_file.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "./socket.ts";

/** The socket, and the namespace that it was opened in. */
let kept: { socket: NetlinkSocket; namespace: FileId } | undefined;

/**
 * The socket of the calling thread's namespace. Not to be disposed of.
 * @throws {SystemError}
 */
export function netfilter(): NetlinkSocket {
  const namespace = currentIdentity();
  if (kept && isSameFile(kept.namespace, namespace)) return kept.socket;
  kept?.socket[Symbol.dispose]();
  kept = undefined;
  kept = { socket: NetlinkSocket.open(undefined, NETLINK_NETFILTER), namespace };
  return kept.socket;
}
