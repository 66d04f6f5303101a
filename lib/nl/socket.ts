/**
 * A netlink socket: requests with their acknowledgements, dumps that survive being interrupted,
 * batches, and errors in the kernel's own words. It stays in the namespace it was opened in,
 * whatever namespace its user is in later.
 *
 * @module
 */
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
import { concat } from "../runtime/concat.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { currentObserver } from "../runtime/observer.ts";
import { BatchError, NetlinkError, type Refusal } from "./error.ts";
import { DatagramTooLarge, KernelTransport, type Transport } from "./transport.ts";

/** The protocol of links, addresses, routes and traffic control: rtnetlink(7). */
export const NETLINK_ROUTE = 0;
/** The protocol of nftables and of connection tracking. `linux/netlink.h` */
export const NETLINK_NETFILTER = 12;

const LOST = "the kernel's answer was lost";
const NO_ANSWER = "the kernel did not answer";

const EAGAIN = errnoNumber("EAGAIN")!;
const ENOBUFS = errnoNumber("ENOBUFS")!;

/**
 * A table that changes during each of so many dumps is not read at all. With 1,000 links, and links
 * made and removed in two endless loops, one of four attempts is not interrupted.
 */
const DUMP_ATTEMPTS = 100;

/** Sequence numbers go from 1 to this. */
const LAST_SEQUENCE = 0x7fffffff;

/** One request. */
export interface NetlinkRequest {
  /** RTM_* */
  type: number;
  /** NLM_F_* beyond those every request has. */
  flags?: number;
  /** The family's header and attributes, without the netlink header. */
  payload: Uint8Array;
  /** What it is for, as it stands in an error: "add route 10.1.0.0/16 dev eth0". */
  purpose: string;
  /**
   * It asks for one object, which the kernel answers with one message: no acknowledgement is asked for,
   * and none has to be received.
   */
  isGet?: boolean;
  /**
   * The numbers of errors that say that there is nothing: the answer is then empty. An Error takes
   * longer than the request.
   */
  nothing?: readonly number[];
  /**
   * It is over once the kernel tells of the change, which {@link NetlinkRequest.flags} ask for: the
   * acknowledgement may come when the kernel has waited for something else.
   */
  endsWithEcho?: boolean;
}

/** What a subsystem wants around the requests of a batch. */
export interface BatchFrame {
  /** The first message. */
  begin: Pick<NetlinkRequest, "type" | "payload">;
  /** The last message. */
  end: Pick<NetlinkRequest, "type" | "payload">;
}

/** An open netlink socket. */
export class NetlinkSocket implements Disposable {
  readonly #transport: Transport;
  #sequence = 0;
  /** The number of a request that was over before its acknowledgement, until that comes. */
  #unacknowledged: number | undefined;

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

  /** The socket's descriptor, for netdevice(7), whose requests every socket takes. */
  get descriptor(): number {
    return this.#transport.descriptor;
  }

  /**
   * Sends a request and waits for its acknowledgement.
   * @returns the payloads that came before it, such as the link that was asked for
   * @throws {NetlinkError} when the kernel refuses
   */
  request(request: NetlinkRequest): Uint8Array[] {
    const observer = currentObserver();
    return observer
      ? observer.observe({ kind: "netlink", request }, () => this.#request(request))
      : this.#request(request);
  }

  #request(request: NetlinkRequest): Uint8Array[] {
    this.#transport.send(this.#requestMessage(request));
    const answer = this.#answerTo(request);
    return answered(answer, this.#receiveAll(answer));
  }

  /**
   * As {@link request}, for what waits in the kernel: a process that serves many calls goes on with the
   * others meanwhile.
   * @param isLong it waits for 10 ms or more
   * @throws {NetlinkError} when the kernel refuses
   */
  async requestMeanwhile(request: NetlinkRequest, isLong = false): Promise<Uint8Array[]> {
    const observer = currentObserver();
    return await (observer
      ? observer.observe(
        { kind: "netlink", request },
        () => this.#requestMeanwhile(request, isLong),
      )
      : this.#requestMeanwhile(request, isLong));
  }

  async #requestMeanwhile(request: NetlinkRequest, isLong: boolean): Promise<Uint8Array[]> {
    await this.#acknowledged();
    this.#sendMeanwhile(this.#requestMessage(request), isLong);
    const answer = this.#answerTo(request);
    return answered(answer, await this.#receiveAllMeanwhile(answer));
  }

  /**
   * Sends requests that follow one another in one datagram, as {@link requestMeanwhile} sends one: a
   * process that serves many calls waits once, not once for each. The kernel does what comes after a
   * request that it refuses, too.
   * @throws {NetlinkError} the first refusal
   */
  async requestAllMeanwhile(requests: readonly NetlinkRequest[]): Promise<void> {
    const count = requests.length;
    // Who observes sees each with the time that it took.
    if (count < 2 || currentObserver()) {
      for (const request of requests) await this.requestMeanwhile(request);
      return;
    }
    await this.#acknowledged();
    const before = this.#sequence;
    this.#sendMeanwhile(concat(this.#messagesOf(requests)), false);
    let refusal: NetlinkError | undefined;
    const { purpose } = requests[count - 1]!;
    const take = (message: Message) => {
      const place = placeAfter(before, message.sequence);
      if (message.type !== NLMSG_ERROR || place > count) return false;
      const outcome = readOutcome(message);
      if (outcome.errno !== 0) refusal ??= NetlinkError.from(requests[place - 1]!.purpose, outcome);
      return place === count;
    };
    const lost = await this.#receiveAllMeanwhile({ purpose, take });
    if (refusal) throw refusal;
    if (lost) throw new NetlinkError(purpose, ENOBUFS, LOST);
  }

  /**
   * Asks for a whole table. Starts again when the table changed on the way, or the answer came
   * faster than it was read.
   * @throws {NetlinkError} when the kernel refuses, or the table changes during every attempt
   */
  dump(request: NetlinkRequest): Uint8Array[] {
    const observer = currentObserver();
    if (!observer) return this.#dump(request);
    const sent = { ...request, flags: (request.flags ?? 0) | NLM_F_DUMP };
    return observer.observe(
      { kind: "netlink", request: sent },
      () => this.#dump(request),
      ({ length }) => ({ details: { answers: length } }),
    );
  }

  #dump({ type, flags = 0, payload, purpose }: NetlinkRequest): Uint8Array[] {
    for (let attempt = 1; attempt <= DUMP_ATTEMPTS; attempt++) {
      this.#transport.send(this.#message(type, flags | NLM_F_DUMP, payload));
      const answer = this.#answerTo({ purpose });
      const lost = this.#receiveAll(answer);
      if (lost) this.#transport.growReceiveBuffer();
      if (!answer.isInterrupted && !lost) return answer.payloads;
    }
    const why = `the table changed during each of ${DUMP_ATTEMPTS} attempts to read it`;
    throw new NetlinkError(purpose, EAGAIN, why);
  }

  /**
   * Sends several requests as one datagram, of which the kernel does all or none. Only the last one
   * asks for an acknowledgement: a refusal is answered anyway, and thousands of acknowledgements
   * would not fit into the receive buffer.
   * @param purpose what the batch is for: "stop masquerading eth0 of c1"
   * @throws {DatagramTooLarge} before anything is sent, where the batch is larger than the socket's
   * send buffer may be made
   * @throws {BatchError} with what the kernel refused; nothing was done. ENOBUFS or EAGAIN: its
   * answer was lost or did not come, and it may have been done or not
   */
  batch(requests: readonly NetlinkRequest[], purpose: string, frame: BatchFrame): void {
    const observer = currentObserver();
    return observer
      ? observer.observe(
        { kind: "batch", purpose, requests },
        () => this.#batch(requests, purpose, frame),
      )
      : this.#batch(requests, purpose, frame);
  }

  #batch(requests: readonly NetlinkRequest[], purpose: string, { begin, end }: BatchFrame): void {
    if (requests.length === 0) return;
    const count = requests.length;
    const before = this.#sequence;
    const messages = [
      this.#message(begin.type, 0, begin.payload),
      ...this.#messagesOf(requests),
      this.#message(end.type, 0, end.payload),
    ];
    try {
      this.#transport.send(concat(messages));
    } catch (error) {
      if (!(error instanceof DatagramTooLarge)) throw error;
      throw new DatagramTooLarge(`${purpose} (${count} messages)`, error.size, error.limit);
    }
    const refusals: Refusal[] = [];
    const { isOver, lost } = this.#receive((message) => {
      // 0 is the beginning, then come the requests.
      const place = placeAfter(before, message.sequence) - 1;
      if (message.type !== NLMSG_ERROR || place > count) return false;
      const outcome = readOutcome(message);
      if (place === 0) throw BatchError.whole(purpose, count, outcome);
      if (outcome.errno !== 0) refusals.push({ index: place - 1, ...outcome });
      return place === count;
    });
    if (!isOver) throw BatchError.whole(purpose, count, { errno: EAGAIN, text: NO_ANSWER });
    const [refusal, ...others] = refusals;
    if (refusal) {
      const purposes = requests.map((request) => request.purpose);
      throw BatchError.refused(purpose, purposes, [refusal, ...others]);
    }
    if (lost) {
      const text = "the kernel's answers were lost: whether it was done is unknown";
      throw BatchError.whole(purpose, count, { errno: ENOBUFS, text });
    }
  }

  /**
   * Closes the socket; where another thread still sends by it, once that has ended. The C library would
   * have writes to the next descriptor of that number wait, too.
   */
  [Symbol.dispose](): void {
    if (this.#unacknowledged === undefined) this.#transport[Symbol.dispose]();
    else void this.#closeLater();
  }

  async #closeLater(): Promise<void> {
    try {
      await this.#acknowledged();
    } catch {
      // Nobody waits for the acknowledgement, or needs it.
    } finally {
      this.#transport[Symbol.dispose]();
    }
  }

  /** Waits until no other thread sends by the socket. */
  async #acknowledged(): Promise<void> {
    while (!this.#isAcknowledged() && await this.#transport.answered?.());
  }

  #isAcknowledged(): boolean {
    if (this.#unacknowledged !== undefined) {
      this.#receive(() => this.#unacknowledged === undefined);
    }
    return this.#unacknowledged === undefined;
  }

  /** As {@link Transport.sendMeanwhile}, for a transport without it, too. */
  #sendMeanwhile(datagram: Uint8Array<ArrayBuffer>, isLong: boolean): void {
    if (this.#transport.sendMeanwhile) this.#transport.sendMeanwhile(datagram, isLong);
    else this.#transport.send(datagram);
  }

  /** Makes the messages of requests in one datagram: the last one asks for an acknowledgement. */
  #messagesOf(requests: readonly NetlinkRequest[]): Uint8Array<ArrayBuffer>[] {
    const last = requests.length - 1;
    return requests.map(({ type, flags = 0, payload }, index) =>
      this.#message(type, index === last ? flags | NLM_F_ACK : flags, payload)
    );
  }

  #requestMessage({ type, flags = 0, payload, isGet }: NetlinkRequest): Uint8Array<ArrayBuffer> {
    return this.#message(type, isGet ? flags : flags | NLM_F_ACK, payload);
  }

  /** A message with the next sequence number. */
  #message(type: number, flags: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const sequence = this.#sequence = this.#sequence % LAST_SEQUENCE + 1;
    return packMessage({ type, flags: flags | NLM_F_REQUEST, sequence, payload });
  }

  /** Begins the answer to the request that was sent last. */
  #answerTo(
    { purpose, isGet = false, nothing = [], endsWithEcho = false }: Omit<
      NetlinkRequest,
      "type" | "payload"
    >,
  ): Answer {
    const sequence = this.#sequence;
    const answer: Answer = {
      purpose,
      payloads: [],
      isInterrupted: false,
      take: (message) => {
        // An answer to an earlier request, one that was given up: not ours.
        if (message.sequence !== sequence) return false;
        if (message.flags & NLM_F_DUMP_INTR) answer.isInterrupted = true;
        if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
          answer.payloads.push(message.payload);
          if (endsWithEcho) this.#unacknowledged = sequence;
          return isGet || endsWithEcho;
        }
        const outcome = message.payload.length < 4 ? { errno: 0 } : readOutcome(message);
        if (outcome.errno !== 0 && !nothing.includes(outcome.errno)) {
          throw NetlinkError.from(purpose, outcome);
        }
        return true;
      },
    };
    return answer;
  }

  /**
   * As {@link NetlinkSocket.#receive}, to the end. The kernel answers while it is sent to: what is not
   * there then never comes.
   * @returns whether some were lost
   * @throws {NetlinkError} where there are too few
   */
  #receiveAll({ purpose, take }: Taker): boolean {
    const { isOver, lost } = this.#receive(take);
    if (isOver) return lost;
    throw new NetlinkError(purpose, EAGAIN, NO_ANSWER);
  }

  /** As {@link NetlinkSocket.#receiveAll}, of what another thread may still be sending. */
  async #receiveAllMeanwhile({ purpose, take }: Taker): Promise<boolean> {
    for (;;) {
      const { isOver, lost } = this.#receive(take);
      if (isOver) return lost;
      if (!await this.#transport.answered?.()) throw new NetlinkError(purpose, EAGAIN, NO_ANSWER);
    }
  }

  /**
   * Gives each message to `take` until that says it was the last, or there is none. Where the kernel
   * says that some were lost, the rest is read to its end: until then it takes no other dump (EBUSY),
   * and what is left would be in the way of later answers.
   */
  #receive(take: (message: Message) => boolean): { isOver: boolean; lost: boolean } {
    let lost = false;
    for (;;) {
      let datagram: Uint8Array | undefined;
      try {
        datagram = this.#transport.receive();
      } catch (error) {
        if (!(error instanceof SystemError && error.code === "ENOBUFS")) throw error;
        lost = true;
        this.#unacknowledged = undefined; // It may have been among them.
        continue;
      }
      if (!datagram) return { isOver: lost, lost };
      for (const message of unpackMessages(datagram)) {
        const { type, sequence } = message;
        if (type === NLMSG_ERROR && sequence === this.#unacknowledged) {
          this.#unacknowledged = undefined;
        }
        if (!take(message)) continue;
        if (lost) break;
        return { isOver: true, lost };
      }
    }
  }
}

/** Takes the messages of an answer. */
interface Taker {
  /** What the request is for, as it stands in an error. */
  readonly purpose: string;
  /**
   * Takes a message. Returns whether it was the last.
   * @throws {NetlinkError} a refusal
   */
  readonly take: (message: Message) => boolean;
}

/** What has come of the answer to a request. */
interface Answer extends Taker {
  readonly payloads: Uint8Array[];
  /** The table changed while it was read. */
  isInterrupted: boolean;
}

/** Returns the payloads of an answer. @throws {NetlinkError} where some were lost */
function answered({ purpose, payloads }: Answer, lost: boolean): Uint8Array[] {
  if (!lost) return payloads;
  throw new NetlinkError(purpose, ENOBUFS, LOST);
}

/** Counts from the message with the sequence number `before`: 1 for the next one. */
function placeAfter(before: number, sequence: number): number {
  return (sequence - before - 1 + LAST_SEQUENCE) % LAST_SEQUENCE + 1;
}
