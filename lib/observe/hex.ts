/** Encodes bytes as lower-case hex digits. `Uint8Array.toHex` is newer than Deno 2.4. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
