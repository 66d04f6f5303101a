/** Concatenates the bytes of all `chunks`. */
export function concat<B extends ArrayBufferLike>(
  chunks: readonly Uint8Array<B>[],
): Uint8Array<B | ArrayBuffer> {
  if (chunks.length === 1) return chunks[0]!;
  let size = 0;
  for (const { length } of chunks) size += length;
  const all = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}
