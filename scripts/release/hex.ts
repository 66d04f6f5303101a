/**
 * Writes bytes in lower-case hex digits. The Deno that compiles release executables may lack
 * `toHex`.
 */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
