import type { Files } from "./types.ts";

/** Where programs are looked for when there is no PATH: where distributions put them. */
const USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Finds the file of a program that is given by its name alone; one with a `/` in it is a path
 * already.
 *
 * Only absolute directories of `path` are looked in: an empty entry or `.` means the working
 * directory, where anybody may have put a file of that name.
 * @param path the text of PATH; the usual directories when absent
 * @throws {Error} with `code` ENOENT when there is none; EACCES when the only ones may not be
 *   executed
 */
export function findProgram(
  files: Files,
  name: string,
  path = USUAL_PATH,
): string {
  if (name.includes("/")) return name;
  let code = "ENOENT";
  for (const directory of path.split(":")) {
    if (!directory.startsWith("/")) continue;
    const file = `${directory}/${name}`;
    // Asked first: most directories of a long PATH have no such file, and an error takes longer.
    const kind = files.exists(file) ? kindOf(files, file) : "none";
    if (kind === "program") return file;
    if (kind === "not executable") code = "EACCES";
  }
  const why = code === "EACCES" ? "may not be executed" : "is in none of the directories";
  throw Object.assign(new Error(`${name} ${why} of PATH (${path})`), { code });
}

function kindOf(files: Files, path: string): "program" | "not executable" | "none" {
  try {
    const { isFile, mode } = files.stat(path);
    return !isFile ? "none" : (mode & 0o111) !== 0 ? "program" : "not executable";
  } catch {
    return "none"; // Missing, or in a directory that we may not look into: as execvp(3).
  }
}
