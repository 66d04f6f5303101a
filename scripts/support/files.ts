/** Whether there is a file, by whatever link. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Where programs are, on a system whose PATH may not say so. */
const DIRECTORIES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Whether a program is installed. */
export function hasProgram(name: string): boolean {
  return DIRECTORIES.some((directory) => isFile(`${directory}/${name}`));
}
