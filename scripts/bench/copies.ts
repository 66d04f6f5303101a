/**
 * Copies a directory of executables, so that all that are measured were written in one way at one time:
 * how a file lies in the page cache, in few large pieces or many small ones, decides a tenth of the
 * start of an executable of 100 MB.
 * @returns the copy; hard links among the executables are kept
 */
export function copyExecutables(directory: string): string {
  const copy = Deno.makeTempDirSync({ prefix: "cni-bench-" });
  const { success, stderr } = new Deno.Command("cp", {
    args: ["--archive", `${directory}/.`, copy],
  }).outputSync();
  if (success) return copy;
  Deno.removeSync(copy, { recursive: true });
  throw new Error(`cannot copy ${directory}: ${new TextDecoder().decode(stderr).trim()}`);
}
