import { decodeText } from "../../../lib/runtime/decode.ts";

/** Whether a text is a domain name of letters, digits, hyphens and underscores only. */
export function isName(text: string): boolean {
  return text.length <= 253 && /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.|$))+$/.test(text);
}

/**
 * Reads a list of domain names as DNS writes them, with pointers to what came before: RFC 1035,
 * section 4.1.4, as RFC 3397 and RFC 3646 use it.
 * @returns undefined when it is malformed
 */
export function decodeNames(bytes: Uint8Array): string[] | undefined {
  const names: string[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const read = readName(bytes, offset);
    if (!read || !isName(read.name)) return undefined;
    names.push(read.name);
    offset = read.next;
  }
  return names;
}

function readName(bytes: Uint8Array, start: number): { name: string; next: number } | undefined {
  const labels: string[] = [];
  let next: number | undefined;
  for (let offset = start;;) {
    const length = bytes[offset];
    if (length === undefined) return undefined;
    if (length === 0) return { name: labels.join("."), next: next ?? offset + 1 };
    if (length >= 0xc0) {
      const target = (length & 0x3f) * 256 + (bytes[offset + 1] ?? 0xffff);
      // A pointer points back, so following them comes to an end.
      if (target >= offset || target >= start) return undefined;
      next ??= offset + 2;
      start = target;
      offset = target;
      continue;
    }
    if (length > 63 || offset + 1 + length > bytes.length) return undefined;
    labels.push(decodeText(bytes.subarray(offset + 1, offset + 1 + length)));
    offset += 1 + length;
  }
}
