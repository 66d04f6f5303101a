/**
 * Copies a directory of executables, so that all that are measured were written in the same way at
 * the same time: whether the page cache has a file in few large pages or many small ones changes
 * the start of an executable of 100 MB by a tenth.
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
