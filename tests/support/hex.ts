/** Bytes from pairs of hexadecimal digits, with comments (`// …`) for the reader. */
export function bytes(text: string): Uint8Array {
  const pairs = text.replace(/\/\/.*/g, "").match(/[0-9a-f]{2}/g) ?? [];
  return new Uint8Array(pairs.map((pair) => parseInt(pair, 16)));
}
