/**
 * The lock of a network namespace: on its own file, as the Go plugins take it. One plugin at a time
 * chooses routing tables, and makes rules and VRFs, in a container.
 *
 * @module
 */
import { NetNs } from "../ns/netns.ts";
import { FileLock } from "./lock.ts";

/**
 * Locks a namespace. Its file is never created: a missing one is a missing namespace.
 * @throws {CniError} code 11 naming who holds it too long
 */
export function lockNetNs(netns: NetNs): Promise<FileLock> {
  return FileLock.acquire(netns.path, { create: false });
}

/**
 * Runs `work` in a namespace that is locked for as long; nothing where the namespace is gone.
 * @param path the namespace's
 * @throws as {@link lockNetNs}
 */
export async function inLockedNetNs(
  path: string,
  work: (netns: NetNs) => void | Promise<void>,
): Promise<void> {
  using netns = NetNs.openIfPresent(path);
  if (!netns) return;
  using _lock = await lockNetNs(netns);
  await work(netns);
}
