/**
 * A netlink socket: requests with their acknowledgements, dumps that survive being interrupted,
 * and errors in the kernel's own words. It stays in the namespace it was opened in, whatever
 * namespace its user is in later.
 *
 * @module
 */
import { errnoInfo, errnoNumber } from "../runtime/errno.ts";
import { SystemError } from "../libc/system_error.ts";
import {
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  packMessage,
  readOutcome,
  unpackMessages,
} from "../netlink/message.ts";
import type { NetNs } from "../ns/netns.ts";
import { KernelTransport, type Transport } from "./transport.ts";

/** `linux/netlink.h` */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/**
 * A dump that is interrupted this often meets a table that never rests. With 1,000 links, and links
 * made and removed in two endless loops, one of four attempts is not interrupted.
 */
const DUMP_ATTEMPTS = 100;

/** A request that the kernel refused. `code` is errno's name; the message has the kernel's words. */
export class NetlinkError extends SystemError {
  /** Always `NetlinkError`. */
  override readonly name = "NetlinkError";
}

/** One request. */
export interface Request {
  /** RTM_* */
  type: number;
  /** NLM_F_* beyond those every request has. */
  flags?: number;
  /** The family's header and attributes, without the netlink header. */
  payload: Uint8Array;
  /** What it is for, as it stands in an error: "add route 10.1.0.0/16 dev eth0". */
  purpose: string;
}

/** An open netlink socket. */
export class NetlinkSocket implements Disposable {
  readonly #transport: Transport;
  #sequence = 0;

  /** A socket on a transport. @param transport what carries the datagrams; {@link NetlinkSocket.open} makes the usual one */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Opens a socket in a namespace, or in the calling thread's own.
   * @param protocol NETLINK_ROUTE or NETLINK_NETFILTER
   * @throws {SystemError}
   */
  static open(netns?: NetNs, protocol = NETLINK_ROUTE): NetlinkSocket {
    const open = () => new KernelTransport(protocol);
    return new NetlinkSocket(netns ? netns.run(open) : open());
  }

  /**
   * Sends a request and waits for its acknowledgement.
   * @returns the payloads that came before it, such as the link that was asked for
   * @throws {NetlinkError} when the kernel refuses
   */
  request({ type, flags = 0, payload, purpose }: Request): Uint8Array[] {
    const sequence = this.#send(type, flags | NLM_F_ACK, payload);
    return this.#collect(sequence, purpose, { isDump: false }).payloads;
  }

  /**
   * Sends a batch: several requests that the kernel does wholly or not at all.
   * @param begin,end what the subsystem wants around them
   * @throws {NetlinkError} for `begin` when the kernel takes no batch, or else of the first request
   * that it refuses; none is done then
   */
  batch(begin: Request, requests: readonly Request[], end: Request): void {
    const sent = [begin, ...requests, end].map(({ purpose, ...request }) => {
      const flags = request.type === begin.type || request.type === end.type ? 0 : NLM_F_ACK;
      const message = this.#message(request.type, (request.flags ?? 0) | flags, request.payload);
      return { purpose, sequence: this.#sequence, message };
    });
    this.#transport.send(joined(sent.map(({ message }) => message)));
    const [first, ...rest] = sent;
    const purposes = new Map(sent.map(({ sequence, purpose }) => [sequence, purpose]));
    const unanswered = new Set(rest.slice(0, -1).map(({ sequence }) => sequence));
    let refusal: unknown;
    while (unanswered.size > 0) {
      for (const message of unpackMessages(this.#transport.receive())) {
        const purpose = purposes.get(message.sequence);
        if (message.type !== NLMSG_ERROR || purpose === undefined) continue;
        unanswered.delete(message.sequence);
        try {
          check(message, purpose);
        } catch (error) {
          if (message.sequence === first!.sequence) throw error;
          refusal ??= error;
        }
      }
    }
    if (refusal) throw refusal;
  }

  /**
   * Asks for a whole table. Starts again when the table changed on the way, or the answer came
   * faster than it was read.
   * @throws {NetlinkError} when the kernel refuses, or the table never stands still
   */
  dump({ type, flags = 0, payload, purpose }: Request): Uint8Array[] {
    for (let attempt = 1; attempt <= DUMP_ATTEMPTS; attempt++) {
      const sequence = this.#send(type, flags | NLM_F_DUMP, payload);
      const { payloads, interrupted } = this.#collect(sequence, purpose, { isDump: true });
      if (!interrupted) return payloads;
    }
    throw new NetlinkError(
      purpose,
      errnoNumber("EAGAIN")!,
      `the table changed during each of ${DUMP_ATTEMPTS} attempts to read it`,
    );
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  #send(type: number, flags: number, payload: Uint8Array): number {
    this.#transport.send(this.#message(type, flags, payload));
    return this.#sequence;
  }

  /** A message with the next sequence number. */
  #message(type: number, flags: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const sequence = this.#sequence = this.#sequence % 0x7fffffff + 1;
    return packMessage({ type, flags: flags | NLM_F_REQUEST, sequence, payload });
  }

  /**
   * Receives until the answer to `sequence` is complete.
   * @param options.isDump what is lost of a dump can be asked for again, once the rest has been read:
   * until then the kernel takes no other one (EBUSY)
   */
  #collect(
    sequence: number,
    purpose: string,
    { isDump }: { isDump: boolean },
  ): { payloads: Uint8Array[]; interrupted: boolean } {
    const payloads: Uint8Array[] = [];
    let interrupted = false;
    for (;;) {
      let datagram: Uint8Array;
      try {
        datagram = this.#transport.receive();
      } catch (error) {
        const isLoss = error instanceof SystemError && error.code === "ENOBUFS";
        if (!isDump || !isLoss) throw error;
        this.#transport.grow();
        interrupted = true;
        continue;
      }
      for (const message of unpackMessages(datagram)) {
        // An answer to an earlier request, one that was given up: not ours.
        if (message.sequence !== sequence) continue;
        if (message.flags & NLM_F_DUMP_INTR) interrupted = true;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          check(message, purpose);
          return { payloads, interrupted };
        }
        payloads.push(message.payload);
      }
    }
  }
}

function joined(messages: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(messages.reduce((size, { length }) => size + length, 0));
  let offset = 0;
  for (const message of messages) {
    bytes.set(message, offset);
    offset += message.length;
  }
  return bytes;
}

function check(message: Message, purpose: string): void {
  if (message.payload.length < 4) return;
  const { errno, text } = readOutcome(message);
  if (errno === 0) return;
  const { name, text: meaning } = errnoInfo(errno);
  const remedy = name === "EPERM" ? "this needs root, or CAP_NET_ADMIN over the namespace" : "";
  // The kernel's own sentence sometimes just repeats the error's meaning.
  throw new NetlinkError(purpose, errno, (text === meaning ? "" : text) || remedy);
}
