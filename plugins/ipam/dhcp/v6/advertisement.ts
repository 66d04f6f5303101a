/**
 * Router advertisements: RFC 4861, section 4.2; name servers in them: RFC 8106.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { Cidr } from "../../../../lib/ip/cidr.ts";
import { decodeNames } from "../names.ts";

/** Bytes of an IPv6 header, and of an advertisement before its options. */
const IP_HEADER = 40;
const FIXED = 16;

/** The ICMPv6 type. */
export const ADVERTISEMENT = 134;

/** A prefix that a router advertises. */
export interface Prefix {
  network: Cidr;
  /** L: its addresses are on the link. */
  onLink: boolean;
  /** A: hosts make addresses of it. */
  autonomous: boolean;
  /** Seconds; 0 withdraws it, and 0xffffffff is for ever. */
  valid: number;
  preferred: number;
}

/** A router advertisement. */
export interface Advertisement {
  /** The router's link-local address. */
  router: IpAddress;
  /** Seconds for which it is a default router; 0: it is none. */
  lifetime: number;
  /** M: addresses come from a DHCPv6 server. */
  managed: boolean;
  /** O: other configuration does. */
  other: boolean;
  prefixes: Prefix[];
  nameservers: IpAddress[];
  search: string[];
  /** Bytes. */
  mtu?: number;
}

/** An advertisement that cannot be read. */
export interface MalformedAdvertisement {
  /** What is wrong with it. */
  malformed: string;
}

/**
 * Reads an advertisement; undefined for what is none, or does not come from this link.
 * @param packet with its IPv6 header
 */
export function decodeAdvertisement(
  packet: Uint8Array,
): Advertisement | MalformedAdvertisement | undefined {
  if (packet.length < IP_HEADER + FIXED) return undefined;
  const router = IpAddress.fromBytes(packet.slice(8, 24));
  const [type, code] = packet.subarray(IP_HEADER);
  // What a router has passed on has come with fewer hops than 255. RFC 4861, section 6.1.2.
  const isFromLink = packet[7] === 255 && router.isLinkLocal();
  if (!isFromLink || type !== ADVERTISEMENT || code !== 0) return undefined;
  const length = packet[4]! * 256 + packet[5]!;
  const body = packet.subarray(IP_HEADER, IP_HEADER + length);
  const malformed = (why: string) => ({ malformed: `${router} sent what is malformed: ${why}` });
  if (body.length < Math.max(length, FIXED)) return malformed("the packet is cut short");
  const advertisement: Advertisement = {
    router,
    lifetime: body[6]! * 256 + body[7]!,
    managed: (body[5]! & 0x80) !== 0,
    other: (body[5]! & 0x40) !== 0,
    prefixes: [],
    nameservers: [],
    search: [],
  };
  for (let offset = FIXED; offset < body.length;) {
    const size = (body[offset + 1] ?? 0) * 8;
    if (size === 0 || offset + size > body.length) {
      return malformed(
        `option ${body[offset]} has ${size} bytes, of which ${body.length - offset} are there`,
      );
    }
    readOption(body.subarray(offset, offset + size), advertisement);
    offset += size;
  }
  return advertisement;
}

function readOption(option: Uint8Array, into: Advertisement): void {
  const view = new DataView(option.buffer, option.byteOffset, option.byteLength);
  switch (option[0]) {
    case 3: { // Prefix Information
      if (option.length < 32 || option[2]! > 128) return;
      const [valid, preferred] = [view.getUint32(4), view.getUint32(8)];
      const network = new Cidr(IpAddress.fromBytes(option.slice(16, 32)), option[2]!).network();
      const [onLink, autonomous] = [(option[3]! & 0x80) !== 0, (option[3]! & 0x40) !== 0];
      // RFC 4862, section 5.5.3. And neither everything is on the link, nor nothing.
      const isUsable = network.ip.isGlobalUnicast() && preferred <= valid;
      if (isUsable) into.prefixes.push({ network, onLink, autonomous, valid, preferred });
      return;
    }
    case 5: // MTU
      if (option.length === 8 && view.getUint32(4) >= 1280) into.mtu = view.getUint32(4);
      return;
    case 25: // Recursive DNS Server
      if (view.getUint32(4) === 0) return;
      for (let offset = 8; offset + 16 <= option.length; offset += 16) {
        into.nameservers.push(IpAddress.fromBytes(option.slice(offset, offset + 16)));
      }
      return;
    case 31: // DNS Search List, filled up with zeros
      if (view.getUint32(4) !== 0) {
        into.search.push(...decodeNames(withoutPadding(option.subarray(8))) ?? []);
      }
  }
}

function withoutPadding(names: Uint8Array): Uint8Array {
  let end = names.length;
  while (end > 1 && names[end - 1] === 0 && names[end - 2] === 0) end--;
  return names[0] === 0 ? new Uint8Array(0) : names.subarray(0, end);
}
