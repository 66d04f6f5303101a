import { concat } from "./concat.ts";

/** The buffer of every read in this thread: its bytes are copied at once. */
const buffer = new Uint8Array(65536);

/**
 * Reads until the end of a stream, or until more than `limit` bytes have come, whichever is first.
 * @param read fills a buffer and says how many bytes it got, 0 at the end
 */
export function readToEnd(read: (into: Uint8Array) => number, limit: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size <= limit) {
    const count = read(buffer);
    if (count === 0) break;
    chunks.push(buffer.slice(0, count));
    size += count;
  }
  return concat(chunks);
}
