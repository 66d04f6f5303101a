import { decodeText } from "../runtime/decode.ts";

/** Cuts text so that it takes at most `limit` bytes of UTF-8, at the end of a character. */
export function cutUtf8(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= limit) return text;
  return decodeText(bytes.subarray(0, limit)).replace(/\ufffd+$/, "");
}
