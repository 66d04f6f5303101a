/**
 * IPv4 and UDP headers around a message, for hosts whose own stack has no address yet. RFC 791,
 * RFC 768.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { checksum } from "../checksum.ts";

export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;

const UDP = 17;
const IP_HEADER = 20;
const UDP_HEADER = 8;

/** Makes an IPv4 packet from a client to servers. */
export function wrap(
  payload: Uint8Array,
  { from, to }: { from: IpAddress; to: IpAddress },
): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(IP_HEADER + UDP_HEADER + payload.length);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0]); //                        version 4, five words; no service class
  view.setUint16(2, packet.length);
  packet.set([64, UDP], 8); //                     hops, protocol
  packet.set(from.bytes(), 12);
  packet.set(to.bytes(), 16);
  view.setUint16(10, checksum(packet.subarray(0, IP_HEADER)));

  const length = UDP_HEADER + payload.length;
  view.setUint16(IP_HEADER, CLIENT_PORT);
  view.setUint16(IP_HEADER + 2, SERVER_PORT);
  view.setUint16(IP_HEADER + 4, length);
  packet.set(payload, IP_HEADER + UDP_HEADER);
  const pseudo = Uint8Array.of(
    ...packet.subarray(12, 20),
    ...[0, UDP, length >> 8, length & 0xff],
  );
  // 0 would say that there is no checksum.
  view.setUint16(IP_HEADER + 6, checksum(pseudo, packet.subarray(IP_HEADER)) || 0xffff);
  return packet;
}

/**
 * Reads the message in an IPv4 packet to a client; undefined in any other. UDP's checksum is not
 * checked: between two interfaces of one host nobody calculates it. The transaction's number is
 * what tells an answer from anything else.
 */
export function unwrap(
  packet: Uint8Array,
): { from: IpAddress; payload: Uint8Array } | undefined {
  if (packet.length < IP_HEADER || packet[0]! >> 4 !== 4 || packet[9] !== UDP) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const header = (packet[0]! & 15) * 4;
  const total = view.getUint16(2);
  const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
  if (header < IP_HEADER || total > packet.length || total < header + UDP_HEADER || isFragment) {
    return undefined;
  }
  if (checksum(packet.subarray(0, header)) !== 0) return undefined;
  const length = view.getUint16(header + 4);
  if (view.getUint16(header + 2) !== CLIENT_PORT || length < UDP_HEADER) return undefined;
  if (header + length > total) return undefined;
  return {
    from: IpAddress.fromBytes(packet.slice(12, 16)),
    payload: packet.subarray(header + UDP_HEADER, header + length),
  };
}
