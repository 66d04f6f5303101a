/**
 * Puts executables where they belong. One that is running, or that a runtime is about to start,
 * is replaced by a rename: there is no moment at which it is missing or half written.
 *
 * @module
 */

/** Moves a finished file, on the same file system, to its place. */
export function install(built: string, path: string): void {
  Deno.chmodSync(built, 0o755);
  Deno.renameSync(built, path);
}

/**
 * Makes `path` another name of `existing`; a copy where the file system has no hard links.
 * @param temporary a path on the same file system where there is no file yet
 */
export function installLink(existing: string, path: string, temporary: string): "link" | "copy" {
  let how: "link" | "copy" = "link";
  try {
    Deno.linkSync(existing, temporary);
  } catch {
    Deno.copyFileSync(existing, temporary);
    how = "copy";
  }
  Deno.renameSync(temporary, path);
  return how;
}

/** Lists the names in `directory` that are hard links to the file at `path`. */
export function linksTo(path: string, directory: string): string[] {
  const target = statIfPresent(path);
  if (!target) return [];
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).filter((name) => {
    const { ino, dev } = Deno.lstatSync(`${directory}/${name}`);
    return ino === target.ino && dev === target.dev;
  });
}

function statIfPresent(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
