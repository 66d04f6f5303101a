import { call } from "../libc/call.ts";
import { Descriptor, O_CLOEXEC } from "../libc/descriptor.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { polling, sockets } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import { u16, u32 } from "../netlink/codec.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const POLLIN = 1;

/** The kernel answers at once; a socket that hears nothing for this long never will. */
const ANSWER_SECONDS = 10;

/** What carries netlink datagrams to the kernel and back. */
export interface Transport extends Disposable {
  /** Sends one datagram, which may hold several messages. @throws {SystemError} */
  send(datagram: Uint8Array<ArrayBuffer>): void;
  /**
   * The next datagram from the kernel.
   * @throws {SystemError} ENOBUFS when some were lost, EAGAIN when none came in time
   */
  receive(): Uint8Array;
  /** Makes room for answers that come faster than they are read. */
  grow(): void;
}

/** A netlink socket in the calling thread's namespace. */
export class KernelTransport implements Transport {
  readonly #descriptor: Descriptor;
  #buffer = new Uint8Array(64 * 1024);

  /**
   * @param protocol NETLINK_ROUTE or NETLINK_NETFILTER
   * @throws {SystemError}
   */
  constructor(protocol: number) {
    const { socket, bind, setsockopt } = sockets();
    const number = call(
      () => socket(AF_NETLINK, SOCK_RAW | O_CLOEXEC, protocol),
      () => "open a netlink socket",
    );
    this.#descriptor = new Descriptor(number);
    const option = (level: number, name: number, value: Uint8Array) =>
      setsockopt(number, level, name, value, value.length);
    // Older kernels lack the last three; they only make answers shorter and errors clearer.
    option(SOL_SOCKET, SO_RCVTIMEO, timeval(ANSWER_SECONDS));
    option(SOL_NETLINK, NETLINK_CAP_ACK, u32.encode(1));
    option(SOL_NETLINK, NETLINK_EXT_ACK, u32.encode(1));
    option(SOL_NETLINK, NETLINK_GET_STRICT_CHK, u32.encode(1));
    const any = netlinkAddress();
    call(() => bind(number, any, any.length), () => "bind a netlink socket");
  }

  send(datagram: Uint8Array<ArrayBuffer>): void {
    const kernel = netlinkAddress();
    const { sendto } = sockets();
    const { number } = this.#descriptor;
    call(
      () => sendto(number, datagram, datagram.length, 0, kernel, kernel.length),
      () => "send a netlink request",
    );
  }

  receive(): Uint8Array {
    const { recvfrom } = sockets();
    const { number } = this.#descriptor;
    const sender = netlinkAddress();
    for (;;) {
      const buffer = this.#buffer;
      const size = u32.encode(sender.length);
      const length = call(
        () => recvfrom(number, buffer, buffer.length, MSG_TRUNC, sender, size),
        () => "receive the kernel's answer",
      );
      // Anybody may send to a netlink socket; only the kernel has port 0.
      if (u32.decode(sender.subarray(4)) !== 0) continue;
      if (length <= buffer.length) return buffer.subarray(0, length);
      this.#buffer = new Uint8Array(2 * length);
      throw new SystemError(
        "receive the kernel's answer",
        errnoNumber("ENOBUFS")!,
        `${length} bytes`,
      );
    }
  }

  /** From now on the kernel tells of every change of one sort: RTNLGRP_*. @throws {SystemError} */
  join(group: number): void {
    const { number } = this.#descriptor;
    const value = u32.encode(group);
    call(
      () => sockets().setsockopt(number, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, value, value.length),
      () => `join netlink group ${group}`,
    );
  }

  /** Waits until there is a datagram to receive. @returns false when none came in `timeoutMs` */
  wait(timeoutMs: number): boolean {
    const entry = new Uint8Array(8); // struct pollfd: descriptor, events, what happened
    entry.set(u32.encode(this.#descriptor.number));
    entry.set(u16.encode(POLLIN), 4);
    const { poll } = polling();
    return call(() => poll(entry, 1, Math.ceil(timeoutMs)), () => "wait for the kernel") > 0;
  }

  grow(): void {
    const size = u32.encode(4 * 1024 * 1024);
    sockets().setsockopt(this.#descriptor.number, SOL_SOCKET, SO_RCVBUF, size, size.length);
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/** `struct sockaddr_nl`: the kernel's, or for bind(2) "give me any port". */
function netlinkAddress(): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(12);
  address.set(u16.encode(AF_NETLINK));
  return address;
}

/** `struct timeval` */
function timeval(seconds: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(u32.encode(seconds));
  return bytes;
}
