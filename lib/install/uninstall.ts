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
 * @throws {CniError} code 5 where nothing was installed, or something could not be removed
 */
export async function uninstall(path: string): Promise<UninstallReport> {
  const real = realDirectory(path);
  if (real === undefined) throw nothingInstalled(path);
  using _lock = await FileLock.acquire(real, { deadlineMs: LOCK_MS, create: false });
  const directory = new ExecutableDirectory(real);
  const record = new InstallationRecord(real);
  const installed = record.read();
  try {
    const kept = directory.keptNames();
    if (!installed && kept.length === 0) {
      directory.removeAdministration(); // What an installation left that was killed at its beginning.
      throw nothingInstalled(real);
    }
    const names = new Set([...installed?.names ?? [], ...kept]);
    names.delete(OWN_NAME);
    // The executable last: until then symbolic links and clients still work.
    const files = [...[...names].sort(), OWN_NAME].flatMap((name) =>
      takeAway(directory, name, installed)
    );
    syncDirectory(real);
    record.remove();
    directory.removeAdministration();
    return { directory: real, files };
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw CniError.io(
      `cannot uninstall from ${real}: ${messageOf(error)}; uninstalling again goes on`,
    );
  }
}

function takeAway(
  directory: ExecutableDirectory,
  name: string,
  installed: Installed | undefined,
): UninstalledFile[] {
  if (directory.ownerOf(name, installed) === "somebody") {
    // The file is newer than the kept one. After a killed installation both may be the same file.
    removeIfPresent(directory.kept(name));
    return [{ name, action: "left" }];
  }
  if (directory.restore(name)) return [{ name, action: "restored" }];
  return removeIfPresent(directory.file(name)) ? [{ name, action: "removed" }] : [];
}

function nothingInstalled(path: string): CniError {
  return CniError.io(`nothing was installed in ${path} by cni install; nothing was changed`);
}
