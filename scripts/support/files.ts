/** Whether there is a file, by whatever link. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Where programs are, on a system whose PATH may not say so: an ordinary user's often does not. */
const DIRECTORIES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** PATH, and behind it what root would have there. */
export function programPath(): string {
  const own = (Deno.env.get("PATH") ?? "").split(":").filter((directory) => directory !== "");
  return [...new Set([...own, ...DIRECTORIES])].join(":");
}

/** Whether a program is installed, on {@link programPath}. */
export function hasProgram(name: string): boolean {
  return programPath().split(":").some((directory) => isFile(`${directory}/${name}`));
}

/**
 * Where downloads are kept.
 * @param what it is said for where neither XDG_CACHE_HOME nor HOME is set, which is an error
 */
export function cacheDirectory(what: string): string {
  const home = Deno.env.get("HOME");
  const cache = Deno.env.get("XDG_CACHE_HOME") || (home && `${home}/.cache`);
  if (cache) return cache;
  throw new Error(`neither XDG_CACHE_HOME nor HOME says where to keep ${what}`);
}
