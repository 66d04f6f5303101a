import { errnoNumber } from "../runtime/errno.ts";
import { call } from "./call.ts";
import { Descriptor, O_CLOEXEC, O_NONBLOCK } from "./descriptor.ts";
import { connections, polling, sockets } from "./symbols.ts";
import { runtime } from "../runtime/mod.ts";
import { SystemError } from "./system_error.ts";

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOL_SOCKET = 1;

/** `poll.h` */
const POLLIN = 1;

/** A write to a closed connection is an error, not a signal that ends the process. */
const MSG_NOSIGNAL = 0x4000;

/** A socket that never makes its caller wait; see {@link Poller} for waiting. */
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

  /** Two sockets, each other's end. @throws {SystemError} */
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

  /** The next connection; undefined when none is waiting. */
  accept(): Socket | undefined {
    const { accept4 } = connections();
    const flags = O_CLOEXEC | O_NONBLOCK;
    const number = attempt(() => accept4(this.descriptor, null, null, flags), "accept");
    return number === undefined ? undefined : new Socket(number);
  }

  /** `setsockopt(2)`. @param what names the option in an error */
  option(level: number, name: number, value: Uint8Array<ArrayBuffer>, what: string): void {
    const { setsockopt } = sockets();
    call(
      () => setsockopt(this.descriptor, level, name, value, value.length),
      () => `set the socket option ${what}`,
    );
  }

  /** How many bytes were taken; undefined when there is no room now. */
  send(data: Uint8Array<ArrayBuffer>, to?: Uint8Array<ArrayBuffer>): number | undefined {
    const { sendto } = sockets();
    return attempt(
      () => sendto(this.descriptor, data, data.length, MSG_NOSIGNAL, to ?? null, to?.length ?? 0),
      "send",
    );
  }

  /**
   * What came: of a stream as much as there is, of others one datagram. Empty at a stream's end;
   * undefined when nothing is there yet.
   * @param limit bytes; what is longer is cut
   */
  receive(limit = 65536): { data: Uint8Array<ArrayBuffer>; from: Uint8Array } | undefined {
    const { recvfrom } = sockets();
    const buffer = new Uint8Array(limit);
    const from = new Uint8Array(128);
    const length = new Uint32Array([from.length]);
    const count = attempt(
      () => recvfrom(this.descriptor, buffer, buffer.length, 0, from, length),
      "receive",
    );
    if (count === undefined) return undefined;
    return { data: buffer.slice(0, count), from: from.subarray(0, length[0]) };
  }

  /** Waits, keeping everything else on this thread from going on. Whether there is something. */
  waitSync(ms: number): boolean {
    return Socket.waitForAny([this], ms);
  }

  /** As {@link waitSync}, for any of several. @param ms -1 to wait for as long as it takes */
  static waitForAny(any: readonly Socket[], ms: number): boolean {
    const entries = new Uint8Array(8 * any.length); // struct pollfd: descriptor, events, result
    const view = new DataView(entries.buffer);
    any.forEach(({ descriptor }, i) => {
      view.setInt32(8 * i, descriptor, true);
      view.setInt16(8 * i + 4, POLLIN, true);
    });
    return call(() => polling().poll(entries, any.length, ms), () => "wait for a socket") > 0;
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/** A call that may have nothing to do now, which is undefined. */
function attempt(invoke: () => number | bigint, verb: string): number | undefined {
  for (;;) {
    const result = Number(invoke());
    if (result >= 0) return result;
    const errno = runtime.errno();
    if (errno === errnoNumber("EAGAIN")) return undefined;
    if (errno !== errnoNumber("EINTR")) throw new SystemError(`${verb} on a socket`, errno);
  }
}
