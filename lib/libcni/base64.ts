/** Text as the base64 of its UTF-8 bytes, which is how Go writes bytes into JSON. */
import { decodeText } from "../runtime/decode.ts";
import { CniError } from "../types/error.ts";

/** Encodes text. */
export function encodeBase64(text: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Decodes text. @throws {CniError} code 6 when it is not base64 */
export function decodeBase64(base64: string): string {
  let binary: string;
  try {
    binary = atob(base64);
  } catch {
    throw CniError.decode(`not base64: ${JSON.stringify(base64.slice(0, 40))}`);
  }
  return decodeText(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
}
