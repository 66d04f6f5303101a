/**
 * Netlink messages: `struct nlmsghdr` (`linux/netlink.h`), then a fixed header of the message's
 * family, then attributes.
 *
 * @module
 */
import { noteWritten } from "../runtime/observer.ts";
import { align, unpackAttributes } from "./attributes.ts";
import { type Codec, cstring, s32, type Struct, struct, u16, u32 } from "./codec.ts";

/** The type of an error, and of the acknowledgement, which is error 0. netlink(7) */
export const NLMSG_ERROR = 2;
/** The type of the message that ends a dump. netlink(7) */
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
/** The request's sender is told of the change, too, before the acknowledgement. netlink(7) */
export const NLM_F_ECHO = 0x8;
/** The table changed during the dump, which may lack entries. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

/** `struct nlmsghdr`; `length` counts the header. */
const nlmsghdr = struct({ length: u32, type: u16, flags: u16, sequence: u32, port: u32 });

/** One message, taken apart down to its family's header. */
export interface Message {
  type: number;
  flags: number;
  sequence: number;
  payload: Uint8Array;
}

/** The bytes of one message. */
export function packMessage(message: Message): Uint8Array<ArrayBuffer> {
  const { type, flags, sequence, payload } = message;
  const length = nlmsghdr.size + payload.length;
  const bytes = new Uint8Array(align(length));
  nlmsghdr.put(bytes, 0, { length, type, flags, sequence, port: 0 });
  bytes.set(payload, nlmsghdr.size);
  return bytes;
}

/** The messages of one datagram. */
export function unpackMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset + nlmsghdr.size <= bytes.length;) {
    const { length, type, flags, sequence } = nlmsghdr.decode(bytes.subarray(offset));
    if (length < nlmsghdr.size || offset + length > bytes.length) break;
    const payload = bytes.slice(offset + nlmsghdr.size, offset + length);
    messages.push({ type, flags, sequence, payload });
    offset += align(length);
  }
  return messages;
}

/** What NLMSG_ERROR (and NLMSG_DONE) say. */
export interface NetlinkOutcome {
  /** The C error number, positive; 0 for success. */
  errno: number;
  /** NLMSGERR_ATTR_MSG: the extended acknowledgement's text. */
  text?: string;
}

/** Reads the payload of NLMSG_ERROR: `struct nlmsgerr`, then extended attributes. */
export function readOutcome({ flags, payload, type }: Message): NetlinkOutcome {
  const errno = -s32.decode(payload);
  if (!(flags & NLM_F_ACK_TLVS)) return { errno };
  let offset = 4;
  if (type === NLMSG_ERROR) {
    const echoed = nlmsghdr.decode(payload.subarray(4)).length;
    offset += flags & NLM_F_CAPPED ? nlmsghdr.size : align(echoed);
  }
  return { errno, text: extendedText(payload.subarray(offset)) };
}

function extendedText(bytes: Uint8Array): string | undefined {
  const NLMSGERR_ATTR_MSG = 1;
  const message = unpackAttributes(bytes).find(({ type }) => type === NLMSGERR_ATTR_MSG);
  return message && cstring.decode(message.payload);
}

/** A family's header and its attributes as one value. */
export function message<H extends object, A extends object>(
  header: Struct<H>,
  table: Codec<A>,
): Codec<Partial<H> & A> {
  return {
    encode(value) {
      const attributes = table.encode(value);
      const bytes = new Uint8Array(align(header.size) + attributes.length);
      header.put(bytes, 0, value);
      bytes.set(attributes, align(header.size));
      noteWritten(bytes, value);
      return bytes;
    },
    decode: (bytes) => ({
      ...header.decode(bytes),
      ...table.decode(bytes.subarray(align(header.size))),
    }),
  };
}
