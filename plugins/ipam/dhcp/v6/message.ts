/**
 * DHCPv6 messages and their options: RFC 8415, sections 8 and 21; 23 and 24: RFC 3646.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";

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

/** An address that a server grants. */
export interface GrantedAddress {
  ip: IpAddress;
  /** Seconds. */
  preferred: number;
  valid: number;
}

/** What an IA_NA says. */
export interface Grant {
  addresses: GrantedAddress[];
  /** Seconds; 0 leaves it to the client. */
  renewal: number;
  rebinding: number;
  /** Status code; 0 is success. RFC 8415, section 21.13. */
  status: number;
}

/** One identity association per interface: there is nothing to tell two of them apart. */
const IAID = 1;

/** NoBinding, NoAddrsAvail, NotOnLink: an address is over. RFC 8415, section 21.13. */
const REFUSALS: readonly number[] = [2, 3, 4];

export function encodeMessage({ type, transaction, options }: Message): Uint8Array<ArrayBuffer> {
  return concatenate([uint32(type << 24 | transaction), encodeOptions(options)]);
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

/** The IA_NA of a client: the addresses that it has or had; none asks for any. */
export function encodeAssociation(addresses: readonly IpAddress[]): Uint8Array {
  const inner = addresses.flatMap((ip) => [
    uint16(Option.address),
    uint16(24),
    ip.bytes(),
    uint32(0), // Times are the server's to say.
    uint32(0),
  ]);
  return concatenate([uint32(IAID), uint32(0), uint32(0), ...inner]);
}

/** What a server says of the association; undefined where it says nothing, or nothing readable. */
export function readGrant({ options }: Message): Grant | undefined {
  const value = options.get(Option.addresses);
  if (!value || value.length < 12) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const addresses: GrantedAddress[] = [];
  let status = 0;
  let isWhole = true;
  const tail = value.subarray(12);
  for (const [code, inner] of eachOption(tail, () => isWhole = false)) {
    if (code === Option.status) status = readStatus(inner);
    if (code !== Option.address || inner.length < 24) continue;
    const times = new DataView(inner.buffer, inner.byteOffset, inner.byteLength);
    const ip = IpAddress.fromBytes(inner.slice(0, 16));
    const [preferred, valid] = [times.getUint32(16), times.getUint32(20)];
    // RFC 8415, section 21.6: an address that is preferred for longer than valid is none.
    if (valid > 0 && preferred <= valid && ip.isGlobalUnicast()) {
      addresses.push({ ip, preferred, valid });
    }
  }
  if (!isWhole || view.getUint32(0) !== IAID) return undefined;
  return { addresses, renewal: view.getUint32(4), rebinding: view.getUint32(8), status };
}

/** Addresses that a server grants with success; undefined where it does not. */
export function grantOf(message: Message): Grant | undefined {
  const grant = readGrant(message);
  const isSuccess = grant && statusOf(message, grant) === 0;
  return isSuccess && grant.addresses.length > 0 ? grant : undefined;
}

/** Whether addresses are over. A server that has a problem of its own has not said so. */
export function isRefusal(message: Message): boolean {
  const grant = readGrant(message);
  if (!grant) return false;
  const status = statusOf(message, grant);
  return status === 0 ? grant.addresses.length === 0 : REFUSALS.includes(status);
}

/** The association's own status, or else the message's; 0 is success. */
function statusOf({ options }: Message, { status }: Pick<Grant, "status">): number {
  const value = options.get(Option.status);
  return status || (value ? readStatus(value) : 0);
}

/** Says why a message grants nothing; undefined where it is not about addresses at all. */
export function refusalOf(message: Message): string | undefined {
  const grant = readGrant(message);
  const status = grant ? statusOf(message, grant) : statusOf(message, { status: 0 });
  if (status !== 0) {
    return `the server says ${STATUSES[status] ?? `status ${status}`}` + explanationOf(message);
  }
  if (!message.options.has(Option.addresses)) return undefined;
  return grant ? "the server grants no address" : "its IA_NA cannot be read";
}

/** Status codes. RFC 8415, section 21.13. */
const STATUSES = [
  "Success",
  "UnspecFail",
  "NoAddrsAvail",
  "NoBinding",
  "NotOnLink",
  "UseMulticast",
  "NoPrefixAvail",
];

/** What the server says for people. */
function explanationOf({ options }: Message): string {
  const outer = options.get(Option.status);
  const inner = [
    ...eachOption(options.get(Option.addresses)?.subarray(12) ?? new Uint8Array(0), () => {}),
  ]
    .find(([code]) => code === Option.status)?.[1];
  const text = new TextDecoder().decode((inner ?? outer)?.subarray(2)).replace(/\0+$/, "");
  return text ? `: ${JSON.stringify(text)}` : "";
}

/** Reads a list of addresses; empty where it is absent or malformed. */
export function readAddresses(value: Uint8Array | undefined): IpAddress[] {
  if (!value || value.length % 16 !== 0) return [];
  return Array.from(
    { length: value.length / 16 },
    (_, index) => IpAddress.fromBytes(value.slice(index * 16, index * 16 + 16)),
  );
}

export function uint16(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >> 8, value);
}

function uint32(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >>> 24, value >> 16, value >> 8, value);
}

function readStatus(value: Uint8Array): number {
  return value.length >= 2 ? value[0]! * 256 + value[1]! : 0;
}

function encodeOptions(options: ReadonlyMap<number, Uint8Array>): Uint8Array {
  return concatenate(
    [...options].flatMap(([code, value]) => [uint16(code), uint16(value.length), value]),
  );
}

function* eachOption(
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

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
