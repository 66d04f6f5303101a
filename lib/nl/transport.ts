import { AsyncWrite } from "../libc/async_write.ts";
import { SOCK_RAW, Socket, SOL_SOCKET } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { u16, u32 } from "../netlink/codec.ts";
import { otherCalls } from "../runtime/caller.ts";
import { errnoNumber } from "../runtime/errno.ts";

/** `bits/socket.h` */
const AF_NETLINK = 16;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;

/** `linux/netlink.h` */
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** The kernel puts a datagram's bookkeeping into the send buffer, too: `netlink_sendmsg()`. */
const SEND_OVERHEAD = 32;

/** How often to look whether a request that another thread sends has failed. Milliseconds. */
const LOOK_MS = 1000;

const SENDING = "send a netlink request";

/** Carries netlink datagrams to the kernel and back. */
export interface Transport extends Disposable {
  /** The socket's descriptor. */
  readonly descriptor: number;
  /**
   * Sends one datagram, which may hold several messages.
   * @throws {DatagramTooLarge} before anything was sent
   * @throws {SystemError}
   */
  send(datagram: Uint8Array<ArrayBuffer>): void;
  /**
   * Sends one datagram by another thread, for a request that waits in the kernel: this thread serves
   * other calls meanwhile. Where there are no others it is sent as by {@link send}; so it is by a
   * transport without this.
   * @param isLong it waits for 10 ms or more: other calls may come meanwhile
   * @throws {SystemError}
   */
  sendMeanwhile?(datagram: Uint8Array<ArrayBuffer>, isLong: boolean): void;
  /**
   * Waits until there is another answer to what is sent by another thread, while this one serves other
   * calls. Returns false when it is sent, and there is none. A transport without this has every answer
   * once a datagram is sent.
   * @throws {SystemError} where it could not be sent
   */
  answered?(): Promise<boolean>;
  /**
   * Takes the next datagram from the kernel, valid until the next call of any socket's in this thread.
   * Returns undefined where there is none.
   * @throws {SystemError} ENOBUFS when some were lost
   */
  receive(): Uint8Array | undefined;
  /** Makes the receive buffer larger, for answers that come faster than they are read. */
  growReceiveBuffer(): void;
}

/** A datagram that is larger than this process may make its socket's send buffer. */
export class DatagramTooLarge extends SystemError {
  /** Always `DatagramTooLarge`. */
  override readonly name = "DatagramTooLarge";

  /**
   * An error that names the sysctl.
   * @param attempted what was tried
   * @param size bytes of the datagram
   * @param limit bytes of the largest one that can be sent
   */
  constructor(attempted: string, readonly size: number, readonly limit: number) {
    super(
      attempted,
      errnoNumber("EMSGSIZE")!,
      `${size} bytes are to be sent at once, and a process in a user namespace may send ${limit}; ` +
        `set the host's sysctl net.core.wmem_max to ${
          Math.ceil((size + SEND_OVERHEAD) / 2)
        } or more`,
    );
  }
}

/**
 * What is received into, in every socket of this thread: a message is taken out of it before anything
 * else is received. 64 KiB for each socket would be most of the memory of a process that serves many
 * calls.
 */
let buffer = new Uint8Array(64 * 1024);

/** A netlink socket in the calling thread's namespace. */
export class KernelTransport implements Transport {
  /** For waiting for it together with others. */
  readonly socket: Socket;
  readonly #sender = netlinkAddress();
  #isBound = false;
  /** What another thread sends, or has sent last. */
  #write: AsyncWrite | undefined;

  /**
   * @param protocol NETLINK_ROUTE or NETLINK_NETFILTER
   * @throws {SystemError}
   */
  constructor(protocol: number) {
    this.socket = Socket.open(AF_NETLINK, SOCK_RAW, protocol);
    // Older kernels lack these; they only make answers shorter and errors clearer.
    for (const name of [NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      this.socket.tryOption(SOL_NETLINK, name, u32.encode(1));
    }
  }

  get descriptor(): number {
    return this.socket.descriptor;
  }

  send(datagram: Uint8Array<ArrayBuffer>): void {
    try {
      this.#send(datagram);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "EMSGSIZE")) throw error;
      this.#growSendBuffer(datagram.length);
      this.#send(datagram);
    }
  }

  sendMeanwhile(datagram: Uint8Array<ArrayBuffer>, isLong: boolean): void {
    const others = otherCalls();
    // What is short is done before a thread were started for it.
    if (!others || !isLong && !others.isAny()) this.send(datagram);
    else this.#write = AsyncWrite.start(this.descriptor, datagram);
  }

  async answered(): Promise<boolean> {
    const [others, write] = [otherCalls(), this.#write];
    while (others && write && !write.hasEnded) {
      if (await others.readable(this.descriptor, LOOK_MS)) return true;
    }
    // The kernel answers while it is sent to: the last answer may have come just now.
    if (this.socket.waitSync(0)) return true;
    this.#write = undefined;
    if (write && write.errno !== 0) throw new SystemError(SENDING, write.errno);
    return false;
  }

  receive(): Uint8Array | undefined {
    for (;;) {
      const length = this.socket.receiveInto(buffer, this.#sender);
      if (length === undefined) return undefined;
      // Anybody may send to a netlink socket; only the kernel has port 0.
      if (u32.decode(this.#sender.subarray(4)) !== 0) continue;
      if (length <= buffer.length) return buffer.subarray(0, length);
      buffer = new Uint8Array(2 * length);
      throw new SystemError(
        "receive the kernel's answer",
        errnoNumber("ENOBUFS")!,
        `${length} bytes`,
      );
    }
  }

  growReceiveBuffer(): void {
    this.socket.tryOption(SOL_SOCKET, SO_RCVBUF, u32.encode(4 * 1024 * 1024));
  }

  /**
   * Makes the socket a member of a multicast group: from now on it receives what the kernel tells
   * everybody.
   * @param group RTNLGRP_* or NFNLGRP_*
   * @throws {SystemError}
   */
  join(group: number): void {
    // Who only sends gets a port with its first request; one without a port is passed over.
    if (!this.#isBound) this.socket.bind(netlinkAddress(), "a netlink port");
    this.#isBound = true;
    const what = `NETLINK_ADD_MEMBERSHIP for group ${group}`;
    this.socket.option(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, u32.encode(group), what);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }

  #send(datagram: Uint8Array<ArrayBuffer>): void {
    if (this.socket.send(datagram, netlinkAddress()) !== undefined) return;
    throw new SystemError(SENDING, errnoNumber("EAGAIN")!);
  }

  /**
   * Makes the send buffer large enough for a datagram.
   * @throws {DatagramTooLarge} where a send buffer may not be as large as `size`
   */
  #growSendBuffer(size: number): void {
    const wanted = u32.encode(size + SEND_OVERHEAD);
    // Past `net.core.wmem_max` needs CAP_NET_ADMIN in the initial user namespace: socket(7).
    if (this.socket.tryOption(SOL_SOCKET, SO_SNDBUFFORCE, wanted)) return;
    this.socket.tryOption(SOL_SOCKET, SO_SNDBUF, wanted);
    const limit = this.socket.numberOption(SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF") - SEND_OVERHEAD;
    if (size > limit) throw new DatagramTooLarge(SENDING, size, limit);
  }
}

/** `struct sockaddr_nl`: the kernel's, or for bind(2) "give me any port". */
function netlinkAddress(): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(12);
  address.set(u16.encode(AF_NETLINK));
  return address;
}
