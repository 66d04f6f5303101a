/**
 * Writes bytes as hexadecimal digits. `Uint8Array`'s own methods for it are newer than Deno 2.4.
 * @param separator what stands between two bytes
 */
export function hexOf(bytes: Iterable<number>, separator = ""): string {
  const pairs: string[] = [];
  for (const byte of bytes) pairs.push(byte.toString(16).padStart(2, "0"));
  return pairs.join(separator);
}
