const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

/**
 * Reads an IPv4 address as a 32-bit number; undefined for anything but four decimals without
 * leading zeros.
 */
export function parseIpv4(text: string): bigint | undefined {
  if (!new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`).test(text)) return undefined;
  let value = 0n;
  for (const octet of text.split(".")) value = value << 8n | BigInt(octet);
  return value;
}
