/** The lock around the rules of all attachments and their notes. */
import { FileLock } from "../../host/lock.ts";
import { warn } from "../../runtime/caller.ts";
import { messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { CniError, ErrorCode } from "../../types/error.ts";

/** The directory of the notes. /run is emptied by a reboot, as the rules are. */
export const NOTES_DIRECTORY = "/run/cni/firewall";

/**
 * Takes the lock for installing or restoring rules: no other process may change them between
 * reading and writing.
 * @throws {CniError} code 11 naming who holds it too long, 5 where it cannot be made
 */
export async function lockRules(): Promise<FileLock> {
  try {
    runtime.files.makeDirectory(NOTES_DIRECTORY, 0o700);
  } catch (error) {
    throw CniError.io(
      `cannot keep in ${NOTES_DIRECTORY} which rules are installed: ${
        messageOf(error)
      }; run as root`,
    );
  }
  return await FileLock.acquire(`${NOTES_DIRECTORY}/lock`, { mode: 0o600, inherited: true });
}

/**
 * As {@link lockRules}, for removing rules. Where the lock file cannot be made no process holds it,
 * and none has installed rules with a note: others are removed without the lock.
 * @returns undefined without a lock
 * @throws {CniError} code 11 naming who holds it too long
 */
export async function lockForRemoval(): Promise<FileLock | undefined> {
  try {
    return await lockRules();
  } catch (error) {
    if (!(error instanceof CniError && error.code === ErrorCode.io)) throw error;
    warn(`removing rules without a lock: ${error.message}\n`);
    return undefined;
  }
}
