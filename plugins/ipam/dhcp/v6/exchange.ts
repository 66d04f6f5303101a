/**
 * A DHCPv6 client's messages, and their retransmission: RFC 8415, sections 7.6 and 15.
 *
 * @module
 */
import { runtime } from "../../../../lib/runtime/mod.ts";
import type { Attachment } from "../../../../lib/types/attachment.ts";
import type { Timing } from "../retransmission.ts";
import { now, type Time } from "../time.ts";
import { fromHex, toHex } from "./hex.ts";
import { encodeMessage, type Message, Option, uint16 } from "./message.ts";
import type { Port } from "./port.ts";

/** When a message is sent again. Milliseconds. */
export interface Retransmission {
  /** IRT: before the first time. */
  first: number;
  /** MRT: the longest delay. */
  longest: number;
  /** MRC: how often the message is sent at most. */
  tries?: number;
}

/** SOL_TIMEOUT and so on: RFC 8415, section 7.6. */
export const RETRANSMISSION = {
  solicit: { first: 1000, longest: 3_600_000 },
  request: { first: 1000, longest: 30_000, tries: 10 },
  renew: { first: 10_000, longest: 600_000 },
  rebind: { first: 10_000, longest: 600_000 },
  information: { first: 1000, longest: 3_600_000 },
} as const satisfies Record<string, Retransmission>;

type Options = readonly (readonly [code: number, value: Uint8Array])[];

/** A question, how often to ask it, and what counts as the answer. */
export interface Question {
  type: number;
  options: Options;
  retransmission: Retransmission;
  /** When to give up; null is never. */
  until: Time;
  /**
   * Tells whether a message is the answer; false where it is meant for nothing, and why where it is
   * an answer that cannot be used.
   */
  accept(answer: Message): boolean | { dropped: string };
  /** Is told why an answer was dropped. */
  report?(problem: string): void;
}

/** Makes a client's messages and exchanges them with servers. */
export class Exchange {
  readonly #duid: Uint8Array;

  constructor(
    private readonly port: Port,
    attachment: Attachment,
    private readonly timing: Timing,
  ) {
    this.#duid = duidOf(attachment);
  }

  /** Sends a message until it is answered, the tries are used up or the time is over. */
  async ask(question: Question, signal: AbortSignal): Promise<Message | undefined> {
    const { type, options, until, accept, report } = question;
    const { first, longest, tries = Infinity } = question.retransmission;
    const { timeoutMs, resendMaxMs } = this.timing;
    const transaction = newTransaction();
    const begun = now();
    let delay = Math.min(first, timeoutMs);
    for (let sent = 0; sent < tries && (until === null || now() < until); sent++) {
      this.port.send(this.#encode(type, transaction, options, now() - begun));
      const next = Math.min(now() + delay * (0.9 + Math.random() * 0.2), until ?? Infinity);
      delay = Math.min(delay * 2, longest, resendMaxMs);
      for (;;) {
        const answer = await this.port.received.next(next, signal);
        if (!answer) break;
        if (answer.transaction !== transaction) continue;
        const verdict = this.#judge(answer, accept);
        if (verdict === true) return answer as Message;
        if (verdict) report?.(`an answer was dropped: ${verdict.dropped}`);
      }
    }
    return undefined;
  }

  /** Sends a message without waiting for an answer. */
  tell(type: number, options: Options): void {
    this.port.send(this.#encode(type, newTransaction(), options, 0));
  }

  #judge(
    answer: Message | { malformed: string },
    accept: Question["accept"],
  ): boolean | { dropped: string } {
    if ("malformed" in answer) return { dropped: answer.malformed };
    if (toHex(answer.options.get(Option.clientId)) !== toHex(this.#duid)) return false;
    if (!answer.options.has(Option.serverId)) return { dropped: "it names no server (option 2)" };
    return accept(answer);
  }

  /** Encodes a message. @param elapsed milliseconds */
  #encode(type: number, transaction: number, options: Options, elapsed: number) {
    return encodeMessage({
      type,
      transaction,
      options: new Map([
        [Option.clientId, this.#duid],
        [Option.wanted, Uint8Array.of(0, Option.nameServers, 0, Option.domainList)],
        [Option.elapsed, uint16(Math.min(Math.floor(elapsed / 10), 0xffff))],
        ...options,
      ]),
    });
  }
}

/**
 * Makes a DUID-UUID: the same for the same attachment, whichever interface it has. RFC 8415,
 * section 11.5.
 */
function duidOf({ containerId, network, ifName }: Attachment): Uint8Array {
  const hash = runtime.sha512Hex(`${containerId}/${network}/${ifName}`).slice(0, 32);
  return Uint8Array.of(0, 4, ...fromHex(hash));
}

function newTransaction(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! >>> 8;
}
