/**
 * Removes an installation's files from a directory, and puts back what was there before:
 * `cni uninstall`.
 *
 * @module
 */
import { FileLock } from "../host/lock.ts";
import { messageOf } from "../runtime/errors.ts";
import { removeIfPresent } from "../runtime/write_atomic.ts";
import { CniError } from "../types/error.ts";
import { syncDirectory } from "./content.ts";
import { ExecutableDirectory, OWN_NAME } from "./directory.ts";
import { realDirectory } from "./install.ts";
import { InstallationRecord, type Installed } from "./record.ts";

/** What was done. */
export interface UninstallReport {
  directory: string;
  /** Nothing was done: this would be. */
  dryRun: boolean;
  files: UninstalledFile[];
}

/** What became of one name of an installation. */
export interface UninstalledFile {
  name: string;
  /** `left`: somebody replaced the installation's file, and that stays. */
  action: "removed" | "restored" | "left";
}

const LOCK_MS = 120_000;

/**
 * Removes an installation. After a kill at any point, the next removal continues.
 * @param dryRun only tells what would be done
 * @throws {CniError} code 5 where nothing was installed, or something could not be removed
 */
export async function uninstall(path: string, dryRun = false): Promise<UninstallReport> {
  const real = realDirectory(path);
  if (real === undefined) throw nothingInstalled(path);
  using _lock = await FileLock.acquire(real, { deadlineMs: LOCK_MS, create: false });
  const directory = new ExecutableDirectory(real);
  const record = new InstallationRecord(real);
  const installed = record.read();
  try {
    const kept = directory.keptNames();
    if (!installed && kept.length === 0) {
      if (!dryRun) directory.removeAdministration(); // What an installation left that was killed at its beginning.
      throw nothingInstalled(real);
    }
    const names = new Set([...installed?.names ?? [], ...kept]);
    names.delete(OWN_NAME);
    // The executable last: until then symbolic links and clients still work.
    const files = [...[...names].sort(), OWN_NAME].flatMap((name) => {
      const action = actionFor(directory, name, installed);
      if (action === undefined) return [];
      if (!dryRun) takeAway(directory, name, action);
      return [{ name, action }];
    });
    if (dryRun) return { directory: real, dryRun, files };
    syncDirectory(real);
    record.remove();
    directory.removeAdministration();
    return { directory: real, dryRun, files };
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw CniError.io(
      `cannot uninstall from ${real}: ${messageOf(error)}; uninstalling again goes on`,
    );
  }
}

/** Decides what becomes of a name; undefined where there is nothing of it. */
function actionFor(
  directory: ExecutableDirectory,
  name: string,
  installed: Installed | undefined,
): UninstalledFile["action"] | undefined {
  // The file is newer than the kept one.
  if (directory.ownerOf(name, installed) === "somebody") return "left";
  if (directory.isKept(name)) return "restored";
  return directory.infoOf(name) ? "removed" : undefined;
}

function takeAway(
  directory: ExecutableDirectory,
  name: string,
  action: UninstalledFile["action"],
): void {
  // After a killed installation the kept file and the one that is left may be the same.
  if (action === "left") removeIfPresent(directory.kept(name));
  else if (action === "restored") directory.restore(name);
  else removeIfPresent(directory.file(name));
}

function nothingInstalled(path: string): CniError {
  return CniError.io(`nothing was installed in ${path} by cni install; nothing was changed`);
}
