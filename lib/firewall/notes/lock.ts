/** The lock around the rules of all attachments, and what is noted of them. */
import { FileLock } from "../../host/lock.ts";
import { warn } from "../../runtime/caller.ts";
import { messageOf } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { CniError, ErrorCode } from "../../types/error.ts";

/** Where it is noted which rules are installed. /run is empty after a reboot, and so are the rules. */
export const NOTES_DIRECTORY = "/run/cni/firewall";

/**
 * Takes the lock that whoever installs or restores rules must hold: between reading what is installed
 * and acting on it, nobody else may.
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
 * As {@link lockRules}, for whoever removes rules. Where the lock cannot be made nobody else has it,
 * nor has anybody installed rules here: what there is otherwise is removed without it.
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
