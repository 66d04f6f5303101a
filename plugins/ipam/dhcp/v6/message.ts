/**
 * DHCPv6 messages and their options: RFC 8415, sections 8 and 21; 23 and 24: RFC 3646.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { concat } from "../../../../lib/runtime/concat.ts";

export const MessageType = {
  solicit: 1,
  advertise: 2,
  request: 3,
  renew: 5,
  rebind: 6,
  reply: 7,
  release: 8,
  decline: 9,
  informationRequest: 11,
} as const;

export const Option = {
  clientId: 1,
  serverId: 2,
  addresses: 3, //      IA_NA
  address: 5, //        IAADDR
  wanted: 6, //         ORO
  elapsed: 8,
  status: 13,
  rapidCommit: 14,
  nameServers: 23,
  domainList: 24,
  refreshTime: 32,
} as const;

/** A message; of an option that comes again only the first counts. */
export interface Message {
  type: number;
  /** 24 bits; an answer has its question's. */
  transaction: number;
  options: ReadonlyMap<number, Uint8Array>;
}

/** Encodes a message. */
export function encodeMessage({ type, transaction, options }: Message): Uint8Array<ArrayBuffer> {
  return new Uint8Array(concat([uint32(type << 24 | transaction), encodeOptions(options)]));
}

/** A message whose options cannot be read. */
export interface MalformedMessage {
  transaction: number;
  /** What is wrong with it. */
  malformed: string;
}

/** Reads a message; undefined for what is none, or a relay's. */
export function decodeMessage(bytes: Uint8Array): Message | MalformedMessage | undefined {
  if (bytes.length < 4 || bytes[0]! > MessageType.informationRequest) return undefined;
  const transaction = bytes[1]! << 16 | bytes[2]! << 8 | bytes[3]!;
  const options = new Map<number, Uint8Array>();
  let malformed: string | undefined;
  for (const [code, value] of eachOption(bytes.subarray(4), (why) => malformed = why)) {
    if (!options.has(code)) options.set(code, value);
  }
  return malformed ? { transaction, malformed } : { type: bytes[0]!, transaction, options };
}

/** Reads a list of addresses; empty where it is absent or malformed. */
export function readAddresses(value: Uint8Array | undefined): IpAddress[] {
  if (!value || value.length % 16 !== 0) return [];
  return Array.from(
    { length: value.length / 16 },
    (_, index) => IpAddress.fromBytes(value.slice(index * 16, index * 16 + 16)),
  );
}

/** Encodes a number of 16 bits. */
export function uint16(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >> 8, value);
}

/** Encodes a number of 32 bits. */
export function uint32(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >>> 24, value >> 16, value >> 8, value);
}

function encodeOptions(options: ReadonlyMap<number, Uint8Array>): Uint8Array {
  return concat(
    [...options].flatMap(([code, value]) => [uint16(code), uint16(value.length), value]),
  );
}

/** Reads options one by one. @param malformed is told what is wrong, if anything */
export function* eachOption(
  bytes: Uint8Array,
  malformed: (why: string) => void,
): Generator<[code: number, value: Uint8Array]> {
  for (let offset = 0; offset < bytes.length;) {
    const start = offset + 4;
    if (start > bytes.length) return malformed("the message ends within an option's head");
    const code = bytes[offset]! * 256 + bytes[offset + 1]!;
    const length = bytes[offset + 2]! * 256 + bytes[offset + 3]!;
    const left = bytes.length - start;
    if (length > left) {
      return malformed(
        `option ${code} has ${length} bytes, but only ${left} ${left === 1 ? "is" : "are"} left`,
      );
    }
    yield [code, bytes.subarray(start, start + length)];
    offset = start + length;
  }
}
