/**
 * DHCPv4 messages: RFC 2131, section 2, and options as RFC 2132 and 3396 lay them out.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";

/** Values of option 53, DHCP message type. RFC 2132, section 9.6. */
export const MessageType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
} as const;

/** Options by code; what came in several pieces is whole. */
export type Options = ReadonlyMap<number, Uint8Array>;

/** A message, without the fields that nobody uses any more. */
export interface Message {
  /** 1 from a client, 2 from a server. */
  op: 1 | 2;
  /** Transaction: an answer has its question's. */
  xid: number;
  /** Since the client began. */
  seconds: number;
  /** Asks for answers to be broadcast. */
  broadcast: boolean;
  /** The client's address, when it has one. */
  clientAddress: IpAddress;
  /** The address given to it. */
  yourAddress: IpAddress;
  /** The client's hardware address. */
  hardware: Uint8Array;
  options: Options;
}

const NONE = IpAddress.parse("0.0.0.0");
const COOKIE = 0x63825363;
const FIXED = 236;
/**
 * The smallest message: old relays drop what is shorter than BOOTP's. RFC 1542, section 2.1. Bytes.
 */
const MIN_LENGTH = 300;

const PAD = 0;
const END = 255;
const OVERLOAD = 52;

/** Encodes a client's message. */
export function encodeMessage(
  message: Omit<Message, "op" | "yourAddress">,
): Uint8Array<ArrayBuffer> {
  const { options, hardware } = message;
  const length = [...options.values()].reduce((sum, { length }) => sum + 2 + length, FIXED + 5);
  const bytes = new Uint8Array(Math.max(length, MIN_LENGTH));
  const view = new DataView(bytes.buffer);
  bytes.set([1, 1, hardware.length, 0]);
  view.setUint32(4, message.xid);
  view.setUint16(8, Math.min(message.seconds, 0xffff));
  view.setUint16(10, message.broadcast ? 0x8000 : 0);
  bytes.set(message.clientAddress.bytes(), 12);
  bytes.set(hardware.subarray(0, 16), 28);
  view.setUint32(FIXED, COOKIE);
  let offset = FIXED + 4;
  for (const [code, value] of options) {
    if (value.length > 255) throw new RangeError(`option ${code} has ${value.length} bytes`);
    bytes.set([code, value.length, ...value], offset);
    offset += 2 + value.length;
  }
  bytes[offset] = END;
  return bytes;
}

/** A server's message whose options cannot be read. */
export interface MalformedMessage {
  xid: number;
  hardware: Uint8Array;
  /** What is wrong with it. */
  malformed: string;
}

/** Reads a server's message; undefined for what is none. RFC 2131, section 2. */
export function decodeMessage(bytes: Uint8Array): Message | MalformedMessage | undefined {
  if (bytes.length < FIXED + 4 || bytes[0] !== 2 || bytes[1] !== 1) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(FIXED) !== COOKIE || bytes[2]! > 16) return undefined;
  const head = { xid: view.getUint32(4), hardware: bytes.slice(28, 28 + bytes[2]!) };
  const options = new Map<number, Uint8Array>();
  const malformed = readOptions(bytes, options);
  if (malformed) return { ...head, malformed };
  const address = (offset: number) => IpAddress.fromBytes(bytes.slice(offset, offset + 4));
  return {
    ...head,
    op: 2,
    seconds: view.getUint16(8),
    broadcast: (view.getUint16(10) & 0x8000) !== 0,
    clientAddress: address(12),
    yourAddress: address(16),
    options,
  };
}

/**
 * Reads the options of the field for them, and of two others where option 52 says that they go on
 * there. Says what is wrong, if anything.
 */
function readOptions(bytes: Uint8Array, options: Map<number, Uint8Array>): string | undefined {
  const problem = readField(bytes.subarray(FIXED + 4), options);
  const overload = options.get(OVERLOAD)?.[0] ?? 0;
  const file = bytes.subarray(108, 236);
  const serverName = bytes.subarray(44, 108);
  return problem ?? (overload & 1 ? readField(file, options) : undefined) ??
    (overload & 2 ? readField(serverName, options) : undefined);
}

/**
 * Reads the options of one field. Returns what is wrong, if anything. RFC 3396: of a code that
 * comes again the bytes are joined.
 */
function readField(field: Uint8Array, options: Map<number, Uint8Array>): string | undefined {
  for (let offset = 0; offset < field.length;) {
    const code = field[offset++]!;
    if (code === PAD) continue;
    if (code === END) return undefined;
    const length = field[offset++];
    if (length === undefined) return `the message ends within option ${code}`;
    const left = field.length - offset;
    if (length > left) {
      return `option ${code} has ${length} bytes, but only ${left} ${
        left === 1 ? "is" : "are"
      } left`;
    }
    const earlier = options.get(code) ?? new Uint8Array(0);
    options.set(code, Uint8Array.of(...earlier, ...field.subarray(offset, offset + length)));
    offset += length;
  }
  return undefined; // Some servers leave the end out.
}

/** A client that has no address yet. */
export const NO_ADDRESS = NONE;
