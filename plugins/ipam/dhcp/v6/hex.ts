import { hexOf } from "../../../../lib/runtime/hex.ts";

/** Bytes as hexadecimal digits. */
export function toHex(bytes: Uint8Array | undefined): string | undefined {
  return bytes && hexOf(bytes);
}

/** @see toHex */
export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
