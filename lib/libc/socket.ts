import { errnoNumber } from "../runtime/errno.ts";
import { call } from "./call.ts";
import { Descriptor, O_CLOEXEC, O_NONBLOCK } from "./descriptor.ts";
import { pollReadable } from "./poll.ts";
import { connections, socketOptions, sockets } from "./symbols.ts";
import { runtime } from "../runtime/mod.ts";
import { SystemError } from "./system_error.ts";

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOL_SOCKET = 1;

/** A write to a closed connection is an error, not a signal that ends the process. */
export const MSG_NOSIGNAL = 0x4000;
/** recvfrom(2) returns a datagram's whole length, however much of it was copied. */
const MSG_TRUNC = 0x20;

/** A socket in non-blocking mode; {@link awaitReadable} and {@link Poller} wait for one. */
export class Socket implements Disposable {
  readonly #descriptor: Descriptor;

  /** @param descriptor of a socket that does not block; it is closed with this object */
  constructor(descriptor: number) {
    this.#descriptor = new Descriptor(descriptor);
  }

  /** `socket(2)`, in the calling thread's namespace. @throws {SystemError} */
  static open(domain: number, type: number, protocol: number): Socket {
    const { socket } = sockets();
    const flags = type | O_CLOEXEC | O_NONBLOCK;
    return new Socket(call(() => socket(domain, flags, protocol), () => "open a socket"));
  }

  /** `socketpair(2)`: two sockets, connected to each other. @throws {SystemError} */
  static pair(domain: number, type: number): [Socket, Socket] {
    const { socketpair } = connections();
    const two = new Int32Array(2);
    call(
      () => socketpair(domain, type | O_CLOEXEC | O_NONBLOCK, 0, two),
      () => "open a pair of sockets",
    );
    return [new Socket(two[0]!), new Socket(two[1]!)];
  }

  /** @throws {Error} once it is closed */
  get descriptor(): number {
    return this.#descriptor.number;
  }

  /** `bind(2)`. @param what names the address in an error */
  bind(address: Uint8Array<ArrayBuffer>, what: string): void {
    const { bind } = sockets();
    call(() => bind(this.descriptor, address, address.length), () => `bind to ${what}`);
  }

  /** `connect(2)`. @param what names the address in an error */
  connect(address: Uint8Array<ArrayBuffer>, what: string): void {
    const { connect } = connections();
    call(() => connect(this.descriptor, address, address.length), () => `connect to ${what}`);
  }

  /** `listen(2)` */
  listen(): void {
    const { listen } = connections();
    call(() => listen(this.descriptor, 128), () => "listen for connections");
  }

  /** `accept4(2)`: the next connection; undefined when none is waiting. */
  accept(): Socket | undefined {
    const { accept4 } = connections();
    const flags = O_CLOEXEC | O_NONBLOCK;
    const number = attempt(() => accept4(this.descriptor, null, null, flags), "accept");
    return number === undefined ? undefined : new Socket(number);
  }

  /** `setsockopt(2)`. @param what names the option in an error */
  option(level: number, name: number, value: Uint8Array, what: string): void {
    const { setsockopt } = sockets();
    call(
      () => setsockopt(this.descriptor, level, name, value, value.length),
      () => `set the socket option ${what}`,
    );
  }

  /** As {@link option}, for what can be done without. @returns whether the kernel took it */
  tryOption(level: number, name: number, value: Uint8Array): boolean {
    return sockets().setsockopt(this.descriptor, level, name, value, value.length) === 0;
  }

  /** `getsockopt(2)` of an `int`. @param what names the option in an error */
  numberOption(level: number, name: number, what: string): number {
    const { getsockopt } = socketOptions();
    const value = new Int32Array(1);
    const length = Uint32Array.of(value.byteLength);
    call(
      () => getsockopt(this.descriptor, level, name, value, length),
      () => `read the socket option ${what}`,
    );
    return value[0]!;
  }

  /** `sendto(2)`. @returns how many bytes were sent; undefined when there is no room now */
  send(data: Uint8Array<ArrayBuffer>, to?: Uint8Array<ArrayBuffer>): number | undefined {
    const { sendto } = sockets();
    return attempt(
      () => sendto(this.descriptor, data, data.length, MSG_NOSIGNAL, to ?? null, to?.length ?? 0),
      "send",
    );
  }

  /**
   * `recvfrom(2)`: of a stream what there is, of others one datagram. Empty at a stream's end;
   * undefined when nothing is there yet.
   * @param limit bytes; what is longer is cut
   */
  receive(limit = 65536): { data: Uint8Array<ArrayBuffer>; from: Uint8Array } | undefined {
    const buffer = new Uint8Array(limit);
    const from = new Uint8Array(128);
    const received = this.#receive(buffer, from, 0);
    if (!received) return undefined;
    const { length, fromLength } = received;
    return { data: buffer.slice(0, length), from: from.subarray(0, fromLength) };
  }

  /**
   * `recvfrom(2)`: one datagram, into memory of the caller's own.
   * @param from gets the sender's address, as much of it as there is room for
   * @returns the datagram's length, of which no more was stored than `buffer` has room for;
   * undefined when nothing is there yet
   */
  receiveInto(buffer: Uint8Array<ArrayBuffer>, from: Uint8Array<ArrayBuffer>): number | undefined {
    return this.#receive(buffer, from, MSG_TRUNC)?.length;
  }

  /**
   * Waits until there is something to receive; the calling thread does nothing else meanwhile.
   * @param ms -1 to wait for as long as it takes
   * @returns false when the time is over
   */
  waitSync(ms: number): boolean {
    return Socket.waitForAny([this], ms);
  }

  /** As {@link waitSync}, for any of several. */
  static waitForAny(any: readonly Socket[], ms: number): boolean {
    return pollReadable(any.map(({ descriptor }) => descriptor), ms).length > 0;
  }

  #receive(buffer: Uint8Array<ArrayBuffer>, from: Uint8Array<ArrayBuffer>, flags: number) {
    const { recvfrom } = sockets();
    const fromLength = Uint32Array.of(from.length);
    const length = attempt(
      () => recvfrom(this.descriptor, buffer, buffer.length, flags, from, fromLength),
      "receive",
    );
    return length === undefined ? undefined : { length, fromLength: fromLength[0] };
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

const EAGAIN = errnoNumber("EAGAIN");
const EINTR = errnoNumber("EINTR");

/**
 * Makes a C call, and again when a signal interrupted it.
 * @param verb what is done, as in "cannot receive on a socket"
 * @returns undefined when there is nothing to do now
 * @throws {SystemError}
 */
export function attempt(invoke: () => number | bigint, verb: string): number | undefined {
  for (;;) {
    const result = Number(invoke());
    if (result >= 0) return result;
    const errno = runtime.errno();
    if (errno === EAGAIN) return undefined;
    if (errno !== EINTR) throw new SystemError(`${verb} on a socket`, errno);
  }
}
