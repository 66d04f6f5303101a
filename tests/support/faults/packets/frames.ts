/**
 * Ethernet frames that an attacker makes by hand.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { checksum } from "../../../../plugins/ipam/dhcp/checksum.ts";

const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const ETH_P_IPV6 = 0x86dd;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_8021AD = 0x88a8;
/** For experiments: what nothing but a capture looks at (IEEE 802.1). */
export const ETH_P_TEST = 0x88b5;

export const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** Two bytes, the most significant first. */
const u16 = (value: number) => [value >> 8 & 255, value & 255];

/** The bytes of a MAC address. */
export function macBytes(text: string): number[] {
  return text.split(":").map((byte) => parseInt(byte, 16));
}

/** A VLAN's tag: its EtherType and its ID. */
export interface Tag {
  readonly type: number;
  readonly id: number;
}

/** Who sends a frame to whom. */
export interface Way {
  readonly from: string;
  readonly to: string;
  /** The outermost tag first. */
  readonly tags?: readonly Tag[];
}

/** A frame of at least the 60 bytes that Ethernet wants. */
export function frame(
  { from, to, tags = [] }: Way,
  type: number,
  payload: readonly number[],
): Uint8Array<ArrayBuffer> {
  const header = [...macBytes(to), ...macBytes(from)];
  const tagged = tags.flatMap(({ type, id }) => [...u16(type), ...u16(id)]);
  const bytes = [...header, ...tagged, ...u16(type), ...payload];
  const result = new Uint8Array(Math.max(60, bytes.length));
  result.set(bytes);
  return result;
}

/** An ARP reply: `address` is at `from`. RFC 826. */
export function arpReply(way: Way, address: string, asked: string): Uint8Array<ArrayBuffer> {
  return frame(way, ETH_P_ARP, [
    ...[0, 1, ...u16(ETH_P_IP), 6, 4, 0, 2],
    ...[...macBytes(way.from), ...ipBytes(address)],
    ...[...macBytes(way.to), ...ipBytes(asked)],
  ]);
}

/** An unsolicited neighbour advertisement that overrides: `address` is at `from`. RFC 4861. */
export function advertisement(way: Way, address: string, asked: string): Uint8Array<ArrayBuffer> {
  const message = (sum: number) => [
    ...[136, 0, ...u16(sum), 0x20, 0, 0, 0, ...ipBytes(address)],
    ...[2, 1, ...macBytes(way.from)],
  ];
  return ipv6(way, address, asked, 58, message);
}

/** A UDP datagram from an address to another, whoever has them. */
export function datagram(
  way: Way,
  { source, destination, port, text = "ping" }: {
    source: string;
    destination: string;
    port: number;
    text?: string;
  },
): Uint8Array<ArrayBuffer> {
  const data = new TextEncoder().encode(text);
  const udp = (sum: number) => [
    ...[...u16(7777), ...u16(port), ...u16(8 + data.length), ...u16(sum), ...data],
  ];
  if (source.includes(":")) return ipv6(way, source, destination, 17, udp);
  const payload = udp(0); // IPv4's may have none
  const header = (sum: number) => [
    ...[0x45, 0, ...u16(20 + payload.length), 0, 1, 0, 0, 64, 17, ...u16(sum)],
    ...[...ipBytes(source), ...ipBytes(destination)],
  ];
  const sum = checksum(Uint8Array.from(header(0)));
  return frame(way, ETH_P_IP, [...header(sum), ...payload]);
}

/** An IPv6 packet, whose upper layer's checksum comprises the addresses. RFC 8200, section 8.1. */
function ipv6(
  way: Way,
  source: string,
  destination: string,
  protocol: number,
  message: (checksum: number) => number[],
): Uint8Array<ArrayBuffer> {
  const addresses = [...ipBytes(source), ...ipBytes(destination)];
  const { length } = message(0);
  const pseudoHeader = [...addresses, 0, 0, ...u16(length), 0, 0, 0, protocol];
  const sum = checksum(Uint8Array.from(pseudoHeader), Uint8Array.from(message(0)));
  return frame(way, ETH_P_IPV6, [
    ...[0x60, 0, 0, 0, ...u16(length), protocol, 255, ...addresses],
    ...message(sum),
  ]);
}

function ipBytes(text: string): Uint8Array {
  return IpAddress.parse(text).bytes();
}
