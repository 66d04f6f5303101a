const UTF8 = new TextEncoder();

/**
 * Encodes text as a C string: UTF-8 bytes and a NUL.
 * @throws {TypeError} when the text itself has a NUL, which would end it for C
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`a NUL character in ${JSON.stringify(text)}`);
  return UTF8.encode(text + "\0") as Uint8Array<ArrayBuffer>;
}
