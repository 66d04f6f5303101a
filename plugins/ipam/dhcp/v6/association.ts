/**
 * The addresses of an interface in DHCPv6: the identity association for non-temporary addresses,
 * IA_NA. RFC 8415, section 21.4.
 *
 * @module
 */
import { IpAddress } from "../../../../lib/ip/address.ts";
import { concat } from "../../../../lib/runtime/concat.ts";
import { decodeText } from "../../../../lib/runtime/decode.ts";
import { eachOption, type Message, Option, uint16, uint32 } from "./message.ts";

/** An address that a server grants. */
export interface GrantedAddress {
  ip: IpAddress;
  /** Seconds. */
  preferred: number;
  /** Seconds. */
  valid: number;
}

/** Addresses that a server grants. */
export interface Grant {
  addresses: GrantedAddress[];
  /** T1 in seconds; 0 leaves it to the client. */
  renewal: number;
  /** T2. */
  rebinding: number;
}

/** A status code option: RFC 8415, section 21.13. */
interface Status {
  /** 0 is success. */
  code: number;
  /** What the server says for people. */
  text: string;
}

/** The identifier of the association, of which an interface has one. */
const IAID = 1;

/** Status codes by number. RFC 8415, section 21.13. */
const STATUSES = [
  "Success",
  "UnspecFail",
  "NoAddrsAvail",
  "NoBinding",
  "NotOnLink",
  "UseMulticast",
  "NoPrefixAvail",
];

/** Statuses after which an address is not used any more. RFC 8415, section 18.2.10.1. */
const REFUSALS = ["NoAddrsAvail", "NoBinding", "NotOnLink"];

/** Encodes the association of a client: the addresses that it has or had; none asks for any. */
export function encodeAssociation(addresses: readonly IpAddress[]): Uint8Array {
  const inner = addresses.flatMap((ip) => [
    uint16(Option.address),
    uint16(24),
    ip.bytes(),
    uint32(0), // The lifetimes are the server's to state.
    uint32(0),
  ]);
  return concat([uint32(IAID), uint32(0), uint32(0), ...inner]);
}

/** Reads the addresses that a server grants with success; undefined where it does not. */
export function grantOf(message: Message): Grant | undefined {
  const association = readAssociation(message);
  if (!association || statusOf(message, association).code !== 0) return undefined;
  const { addresses, renewal, rebinding } = association;
  return addresses.length > 0 ? { addresses, renewal, rebinding } : undefined;
}

/**
 * Tells whether a server says that the addresses are over. One that has a problem of its own has
 * not said so.
 */
export function isRefusal(message: Message): boolean {
  const association = readAssociation(message);
  if (!association) return false;
  const { code } = statusOf(message, association);
  return code === 0 ? association.addresses.length === 0 : REFUSALS.includes(STATUSES[code]!);
}

/** Says why a message grants nothing; undefined where it is not about addresses at all. */
export function refusalOf(message: Message): string | undefined {
  const association = readAssociation(message);
  const { code, text } = statusOf(message, association);
  if (code !== 0) {
    return `the server says ${STATUSES[code] ?? `status ${code}`}` +
      (text ? `: ${JSON.stringify(text)}` : "");
  }
  if (!message.options.has(Option.addresses)) return undefined;
  return association ? "the server grants no address" : "its IA_NA cannot be read";
}

/** Reads the association; undefined where there is none, or it is malformed. */
function readAssociation({ options }: Message): (Grant & { status?: Status }) | undefined {
  const value = options.get(Option.addresses);
  if (!value || value.length < 12) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const addresses: GrantedAddress[] = [];
  let status: Status | undefined;
  let isWhole = true;
  for (const [code, inner] of eachOption(value.subarray(12), () => isWhole = false)) {
    if (code === Option.status) status = readStatus(inner);
    const address = code === Option.address ? readAddress(inner) : undefined;
    if (address) addresses.push(address);
  }
  if (!isWhole || view.getUint32(0) !== IAID) return undefined;
  return { addresses, renewal: view.getUint32(4), rebinding: view.getUint32(8), status };
}

/**
 * Reads an address, IAADDR: RFC 8415, section 21.6. One that is preferred for longer than valid is
 * none.
 */
function readAddress(value: Uint8Array): GrantedAddress | undefined {
  if (value.length < 24) return undefined;
  const times = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const ip = IpAddress.fromBytes(value.slice(0, 16));
  const [preferred, valid] = [times.getUint32(16), times.getUint32(20)];
  const isUsable = valid > 0 && preferred <= valid && ip.isGlobalUnicast();
  return isUsable ? { ip, preferred, valid } : undefined;
}

/** Reads the status: the association's own, or else the message's. */
function statusOf({ options }: Message, association: { status?: Status } | undefined): Status {
  const { status } = association ?? {};
  return status?.code ? status : readStatus(options.get(Option.status) ?? new Uint8Array(0));
}

function readStatus(value: Uint8Array): Status {
  if (value.length < 2) return { code: 0, text: "" };
  const text = decodeText(value.subarray(2)).replace(/\0+$/, "");
  return { code: value[0]! * 256 + value[1]!, text };
}
