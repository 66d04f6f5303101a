/** Hardware addresses: 6 bytes (EUI-48), 8 (EUI-64) or 20 (IP over InfiniBand). */
import type { IpAddress } from "./address.ts";
import { hexOf } from "../runtime/hex.ts";
import { runtime } from "../runtime/mod.ts";

/**
 * The lower-case form with colons of an address written with `:`, `-` or, in groups of four digits,
 * `.`.
 *
 * @throws {TypeError} naming the text
 */
export function parseMac(text: string): string {
  const mac = tryParseMac(text);
  if (mac !== undefined) return mac;
  throw new TypeError(`${JSON.stringify(text)} is not a MAC address such as 0a:58:0a:01:02:03`);
}

/** {@linkcode parseMac}, with undefined for what is not an address. */
export function tryParseMac(text: string): string | undefined {
  const pairs = /^[0-9a-f]{2}(?:(:[0-9a-f]{2})+|(-[0-9a-f]{2})+)$/i.test(text);
  const quads = /^[0-9a-f]{4}(?:\.[0-9a-f]{4})+$/i.test(text);
  if (!pairs && !quads) return undefined;
  const digits = text.replaceAll(":", "").replaceAll("-", "").replaceAll(".", "").toLowerCase();
  return [12, 16, 40].includes(digits.length) ? digits.match(/../g)!.join(":") : undefined;
}

/**
 * The bytes of an address in any of the forms of {@linkcode parseMac}. @throws {TypeError} naming
 * the text
 */
export function macBytes(text: string): Uint8Array<ArrayBuffer> {
  const pairs = parseMac(text).split(":");
  const bytes = new Uint8Array(pairs.length);
  for (const [at, pair] of pairs.entries()) bytes[at] = parseInt(pair, 16);
  return bytes;
}

/** The text of an address of any length, which is "" for none. */
export function formatMac(bytes: Uint8Array): string {
  return hexOf(bytes, ":");
}

/** The prefix of generated MAC addresses. Locally administered. */
const OWN_PREFIX = "0a:58:";

/**
 * The MAC address that belongs to an IP address: `0a:58`, locally administered, then the four bytes
 * of an IPv4 address or the first four of the SHA-512 of the 16 bytes of an IPv6 address. The
 * same IP address has the same MAC address again, so that neighbours' caches stay right.
 */
export function macForAddress(ip: IpAddress): string {
  const tail = ip.family === 4
    ? formatMac(ip.bytes())
    : runtime.sha512Hex(ip.bytes()).slice(0, 8).match(/../g)!.join(":");
  return OWN_PREFIX + tail;
}

/** A MAC address that belongs to no IP address yet, for an interface that is to get one. */
export function provisionalMac(): string {
  return OWN_PREFIX + formatMac(crypto.getRandomValues(new Uint8Array(4)));
}

/** Whether a MAC address is one of {@link macForAddress} or {@link provisionalMac}. */
export function isOwnMac(mac: string): boolean {
  return mac.startsWith(OWN_PREFIX);
}

/**
 * The MAC address of an interface with several addresses: the first IPv4 one's, or the first one's.
 */
export function macForAddresses(ips: readonly IpAddress[]): string {
  return macForAddress(ips.find(({ family }) => family === 4) ?? ips[0]!);
}
