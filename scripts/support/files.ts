/** Whether there is a file at a path, symbolic links followed. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Directories of programs, some of which an ordinary user's PATH often lacks. */
const DIRECTORIES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Returns PATH, followed by the directories that root's would have. */
export function programPath(): string {
  const own = (Deno.env.get("PATH") ?? "").split(":").filter((directory) => directory !== "");
  return [...new Set([...own, ...DIRECTORIES])].join(":");
}

/** Whether a program is installed, on {@link programPath}. */
export function hasProgram(name: string): boolean {
  return programPath().split(":").some((directory) => isFile(`${directory}/${name}`));
}

/**
 * Returns the directory that downloads are kept in.
 * @param what is kept, for the error where neither XDG_CACHE_HOME nor HOME is set
 */
export function cacheDirectory(what: string): string {
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("XDG_CACHE_HOME") || (home && `${home}/.cache`);
  if (cache) return cache;
  throw new Error(`neither XDG_CACHE_HOME nor HOME says where to keep ${what}`);
}
