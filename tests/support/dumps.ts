import { NetlinkSocket } from "../../lib/nl/socket.ts";

/** A table that is listed over netlink. */
export interface Dump {
  /** NFT_GET* and the like. */
  type: number;
  /** What it is for, as it stands in an error. */
  purpose: string;
}

/** What this process lists over netlink while `work` is done, each as often as it is. */
export async function dumpsOf(work: () => Promise<void>): Promise<Dump[]> {
  const dumps: Dump[] = [];
  const { dump } = NetlinkSocket.prototype;
  NetlinkSocket.prototype.dump = function (request) {
    dumps.push({ type: request.type, purpose: request.purpose });
    return dump.call(this, request);
  };
  try {
    await work();
  } finally {
    NetlinkSocket.prototype.dump = dump;
  }
  return dumps;
}
