/**
 * Decoding UTF-8. One decoder for all, since making one takes Deno as long as reading a file.
 *
 * @module
 */
const strict = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder();

/**
 * Decodes UTF-8, without its byte order mark.
 * @throws {TypeError} where the bytes are something else
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return strict.decode(bytes);
}

/** As {@link decodeUtf8}, with U+FFFD in the place of what is something else. */
export function decodeText(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}
