/**
 * Changes to nftables, all or none: requests between `NFNL_MSG_BATCH_BEGIN` and `_END`,
 * `linux/netfilter/nfnetlink.h`.
 *
 * @module
 */
import {
  NFNL_BATCH,
  NFNL_BATCH_BEGIN,
  NFNL_BATCH_END,
  NFNL_BATCH_NFTABLES,
} from "../netlink/nftables.ts";
import { netfilter } from "./netfilter.ts";
import { CniError } from "../types/error.ts";
import { UnknownOutcome } from "../types/unknown_outcome.ts";
import { BatchError } from "./error.ts";
import type { NetlinkRequest, NetlinkSocket } from "./socket.ts";
import { DatagramTooLarge } from "./transport.ts";

/** What a batch is for, and when it may be done. */
export interface BatchOptions {
  /** For errors: "publish ports of c1". */
  purpose: string;
  /**
   * NFTA_GEN_ID, as the kernel gave it: nothing is done, with the error ERESTART, where anybody has
   * changed the rule set since.
   */
  generation?: Uint8Array;
  /** What it is sent on; the process's socket of the calling thread's namespace when absent. */
  socket?: Pick<NetlinkSocket, "batch">;
}

/**
 * Does all of `requests`, or none of them, in the calling thread's namespace.
 * @throws {DatagramTooLarge} before anything is sent, where the batch is larger than a socket's
 * send buffer may be made in this user namespace
 * @throws {BatchError} with what the kernel refused; nothing was done
 * @throws {UnknownOutcome} the kernel's answer was lost, and it may have been done or not
 */
export function nftablesBatch(requests: readonly NetlinkRequest[], options: BatchOptions): void {
  const { purpose, generation, socket = netfilter() } = options;
  const frame = { resource: NFNL_BATCH_NFTABLES };
  try {
    socket.batch(requests, purpose, {
      begin: { type: NFNL_BATCH_BEGIN, payload: NFNL_BATCH.encode({ ...frame, generation }) },
      end: { type: NFNL_BATCH_END, payload: NFNL_BATCH.encode(frame) },
    });
  } catch (error) {
    const isUnknown = error instanceof BatchError && error.isUnknown;
    throw isUnknown ? UnknownOutcome.of(CniError.from(error)) : error;
  }
}

/**
 * As {@link nftablesBatch}, for requests that may as well be done one after another, in their
 * order, such as removals: where all are too large for one batch they are sent in several. When
 * one of those fails, the earlier ones are done; the caller finds out what is left and repeats.
 * @throws {BatchError} with what the kernel refused in the first batch that it did not do
 * @throws {UnknownOutcome} as {@link nftablesBatch}
 */
export function nftablesBatchInParts(
  requests: readonly NetlinkRequest[],
  options: BatchOptions,
): void {
  let { generation } = options;
  const send = (part: readonly NetlinkRequest[]): void => {
    try {
      nftablesBatch(part, { ...options, generation });
      generation &&= following(generation);
    } catch (error) {
      if (!(error instanceof DatagramTooLarge) || part.length === 1) throw error;
      const half = part.length >> 1;
      send(part.slice(0, half));
      send(part.slice(half));
    }
  };
  send(requests);
}

/** The generation that a batch of one's own leads to: one more, but never 0. */
function following(generation: Uint8Array): Uint8Array {
  const next = generation.slice();
  const view = new DataView(next.buffer);
  view.setUint32(0, (view.getUint32(0) + 1) >>> 0 || 1);
  return next;
}
