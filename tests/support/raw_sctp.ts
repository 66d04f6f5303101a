/**
 * The first two packets of an SCTP association, made by hand: INIT and INIT ACK (RFC 9260), for
 * kernels that forward and translate SCTP but have no sockets for it.
 *
 * @module
 */

/** The chunk types that are used here. */
export const INIT = 1;
export const INIT_ACK = 2;

/** What of a packet the tests care for. */
export interface SctpPacket {
  sourcePort: number;
  destinationPort: number;
  /** {@link INIT} or {@link INIT_ACK}, when the packet has one. */
  chunk: number;
  /** The tag that packets in answer must carry. */
  initiateTag: number;
}

/** The bytes of a packet. @param tag 0 for INIT, else the other side's initiate tag */
export function packSctp(packet: SctpPacket, tag: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + 20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, packet.sourcePort);
  view.setUint16(2, packet.destinationPort);
  view.setUint32(4, tag);
  view.setUint8(12, packet.chunk);
  view.setUint16(14, 20); // the chunk's length
  view.setUint32(16, packet.initiateTag);
  view.setUint32(20, 65536); // receiver window
  view.setUint16(24, 1); // streams out and in
  view.setUint16(26, 1);
  view.setUint32(28, 1); // first sequence number
  view.setUint32(8, crc32c(bytes), true);
  return bytes;
}

/** Reads a packet; undefined when it is too short. */
export function unpackSctp(bytes: Uint8Array): SctpPacket | undefined {
  if (bytes.length < 20) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    chunk: view.getUint8(12),
    initiateTag: view.getUint32(16),
  };
}

/** The checksum of RFC 9260, appendix A. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
