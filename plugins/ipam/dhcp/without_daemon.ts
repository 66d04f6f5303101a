/**
 * Leases that are given back while no daemon runs: the record of each says all that it takes, and
 * the interface is still there.
 *
 * The daemon says where its records are by a link beside its socket, `dhcp.sock.leases`, which stays
 * when it ends, as the records do.
 *
 * @module
 */
import { warn } from "../../../lib/runtime/caller.ts";
import { errnoCode, ifPresent, messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import type { Attachment } from "../../../lib/types/attachment.ts";
import { CniError, ErrorCode } from "../../../lib/types/error.ts";
import { Lease, type LeaseContext } from "./lease.ts";
import type { LeaseState } from "./lease_record.ts";
import { LeaseStore } from "./lease_store.ts";

/** Makes the link beside a daemon's socket that leads to its records. @param directory absolute */
export function publishLeases(socketPath: string, directory: string): void {
  const link = linkOf(socketPath);
  if (leasesOf(socketPath) === directory) return;
  ifPresent(() => runtime.files.remove(link));
  runtime.files.symlink(directory, link);
}

/**
 * Finds the directory in which the daemon of a socket keeps its records; undefined where there was
 * none since the boot.
 */
function leasesOf(socketPath: string): string | undefined {
  try {
    return ifPresent(() => runtime.files.readLink(linkOf(socketPath)));
  } catch (error) {
    if (errnoCode(error) === "EINVAL") return undefined; // It is no link.
    throw error;
  }
}

function linkOf(socketPath: string): string {
  return `${socketPath}.leases`;
}

/** Selects the leases to release. */
export interface Selection {
  isMeant(attachment: Attachment): boolean;
  /** The path at which the plugin finds the namespace; the daemon's may be another. */
  netns?: string;
}

/**
 * Releases leases, and removes their records. What cannot be told to a server, or not be read, is
 * named on standard error, and no error.
 * @throws {CniError} code 11 when a daemon holds the records after all
 */
export async function releaseWithoutDaemon(
  socketPath: string,
  { isMeant, netns }: Selection,
): Promise<void> {
  const say = (text: string) => warn(`dhcp: ${text}\n`);
  try {
    const directory = leasesOf(socketPath);
    if (directory === undefined || !ifPresent(() => runtime.files.stat(directory))) return;
    using store = await LeaseStore.open(directory, say);
    for (const state of store.load()) {
      if (!isMeant(state.attachment)) continue;
      release(netns ? { ...state, interfaceId: { ...state.interfaceId, netns } } : state, say);
      store.remove(state.attachment);
    }
  } catch (error) {
    if (error instanceof CniError && error.code === ErrorCode.tryAgainLater) throw error;
    say(`no lease is released without a daemon: ${messageOf(error)}`);
  }
}

/** Sends a RELEASE, which has no answer to wait for. */
function release(state: LeaseState, log: (text: string) => void): void {
  const context: LeaseContext = {
    timing: {
      timeoutMs: 0,
      resendMaxMs: 0,
      resendTimeoutMs: 0,
      broadcast: false,
      checkIntervalMs: 0,
    },
    poller: { watch: () => ({ [Symbol.dispose]() {} }) },
    log,
    changed: () => {},
    ended: () => {},
  };
  try {
    new Lease(state, context, state).release();
  } catch (error) {
    log(messageOf(error));
  }
}
