/**
 * What this process does over netlink.
 *
 * @module
 */
import { type NetlinkRequest, NetlinkSocket } from "../../lib/nl/socket.ts";

/** What is listed while `work` is done, each table as often as it is. */
export async function dumpsOf(work: () => unknown): Promise<NetlinkRequest[]> {
  const dumps: NetlinkRequest[] = [];
  const { dump } = NetlinkSocket.prototype;
  NetlinkSocket.prototype.dump = function (request) {
    dumps.push(request);
    return dump.call(this, request);
  };
  try {
    await work();
  } finally {
    NetlinkSocket.prototype.dump = dump;
  }
  return dumps;
}

/** The batches that the kernel accepts while `work` is done. */
export async function batchesOf(work: () => unknown): Promise<(readonly NetlinkRequest[])[]> {
  const batches: (readonly NetlinkRequest[])[] = [];
  const { batch } = NetlinkSocket.prototype;
  NetlinkSocket.prototype.batch = function (requests, ...rest) {
    batch.call(this, requests, ...rest);
    if (requests.length > 0) batches.push(requests);
  };
  try {
    await work();
  } finally {
    NetlinkSocket.prototype.batch = batch;
  }
  return batches;
}
