import { runtime } from "../runtime/mod.ts";

/**
 * Reads a regular file's text: opening a FIFO would wait for somebody who writes, with the whole thread.
 * @throws {Error} where it is none, or cannot be read
 */
export function readRegularFile(path: string): string {
  if (!runtime.files.stat(path).isFile) throw new Error("it is no regular file");
  return runtime.files.readText(path);
}
