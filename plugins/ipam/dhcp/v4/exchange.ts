/**
 * A DHCPv4 client's messages, and their retransmission: RFC 2131, section 4.1.
 *
 * @module
 */
import type { IpAddress } from "../../../../lib/ip/address.ts";
import { formatMac, macBytes } from "../../../../lib/ip/mac.ts";
import { now, type Time } from "../time.ts";
import type { ClientIdentity } from "./identity.ts";
import { encodeMessage, type Message, MessageType, NO_ADDRESS } from "./message.ts";
import { Option } from "./options.ts";
import type { Port } from "./port.ts";

/** The largest message that is accepted, as the Go plugin's client says it, too. Bytes. */
const MAX_MESSAGE = 1500;

/** A message of a client, apart from what all of them have. */
export interface Outgoing {
  type: number;
  /** The transaction. */
  xid: number;
  /** The address that the client has: ciaddr. */
  clientAddress?: IpAddress;
  options?: readonly (readonly [code: number, value: Uint8Array])[];
}

/** A question, how often to ask it, and what counts as the answer. */
export interface Question {
  message: Outgoing;
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Before each retransmission. Milliseconds. */
  delays: Iterable<number>;
  /** How often the message is sent at most. */
  tries?: number;
  /** When to give up; null is never. */
  until: Time;
  /**
   * Tells whether a message is the answer; false where it is meant for nothing, and why where it is
   * an answer that cannot be used.
   */
  accept(message: Message): boolean | { dropped: string };
  /** Is told why an answer was dropped. */
  report(problem: string): void;
}

/** Makes a client's messages and exchanges them with servers. */
export class Exchange {
  /** @param broadcast tells whether answers to a hardware address are to be broadcast */
  constructor(
    private readonly port: Port,
    private readonly identity: ClientIdentity,
    private readonly broadcast: (hardware: string) => boolean,
  ) {}

  /** Sends a message until it is answered, the tries are used up or the time is over. */
  async ask(question: Question, signal: AbortSignal): Promise<Message | undefined> {
    const { message, send, delays, tries = Infinity, until, accept, report } = question;
    const begun = now();
    let sent = 0;
    for (const delay of delays) {
      if (sent++ >= tries || (until !== null && now() >= until)) return undefined;
      // It may have changed since the last time, as a chained plugin may.
      const hardware = this.port.hardwareAddress();
      send(this.#encode(message, hardware, Math.floor((now() - begun) / 1000)));
      const next = Math.min(now() + delay, until ?? Infinity);
      for (;;) {
        const answer = await this.port.received.next(next, signal);
        if (!answer) break;
        if (answer.xid !== message.xid || formatMac(answer.hardware) !== hardware) continue;
        const verdict = "malformed" in answer ? { dropped: answer.malformed } : accept(answer);
        if (verdict === true) return answer as Message;
        if (verdict) report(`an answer was dropped: ${verdict.dropped}`);
      }
    }
    return undefined;
  }

  /** Encodes a message that is sent once. */
  encode(message: Outgoing): Uint8Array<ArrayBuffer> {
    return this.#encode(message, this.port.hardwareAddress(), 0);
  }

  /** Encodes a message. @param seconds since the client began */
  #encode({ type, xid, clientAddress, options = [] }: Outgoing, hardware: string, seconds: number) {
    return encodeMessage({
      xid,
      seconds,
      // A client that has its address is answered there.
      broadcast: clientAddress === undefined && this.broadcast(hardware),
      clientAddress: clientAddress ?? NO_ADDRESS,
      hardware: macBytes(hardware),
      options: new Map([
        [Option.messageType, Uint8Array.of(type)],
        [Option.clientId, this.identity.clientId],
        ...(REQUESTS.includes(type) ? this.#requested() : []),
        ...options,
      ]),
    });
  }

  /** Lists the options by which a DISCOVER and a REQUEST ask for others. RFC 2131, table 5. */
  #requested(): [code: number, value: Uint8Array][] {
    return [
      [Option.maxMessageSize, Uint8Array.of(MAX_MESSAGE >> 8, MAX_MESSAGE & 0xff)],
      [Option.parameterList, Uint8Array.from(this.identity.parameters)],
      ...this.identity.provide,
    ];
  }
}

const REQUESTS: readonly number[] = [MessageType.discover, MessageType.request];

/** A transaction's number. */
export function newTransaction(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
