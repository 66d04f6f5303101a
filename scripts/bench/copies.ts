/**
 * Copies a directory of executables, so that all that are measured were written in the same way at
 * the same time: whether the page cache has a file in few large pages or many small ones changes
 * the start of an executable of 100 MB by a tenth.
 * @param undo removes the copy
 * @returns the copy; hard links among the executables are kept
 */
export function copyExecutables(directory: string, undo: DisposableStack): string {
  const copy = makeTemporary(undo);
  const { success, stderr } = new Deno.Command("cp", {
    args: ["--archive", `${directory}/.`, copy],
  }).outputSync();
  if (success) return copy;
  throw new Error(`cannot copy ${directory}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Makes a temporary directory. @param undo removes it */
export function makeTemporary(undo: DisposableStack): string {
  const directory = Deno.makeTempDirSync({ prefix: "cni-bench-" });
  undo.defer(() => Deno.removeSync(directory, { recursive: true }));
  return directory;
}
