/**
 * What the kernel tells of the other end of a Unix socket, and descriptors that it passes: unix(7).
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { Descriptor } from "./descriptor.ts";
import { pollReadable } from "./poll.ts";
import { attempt, type Socket, SOL_SOCKET } from "./socket.ts";
import { messages, socketOptions, sockets } from "./symbols.ts";
import { call } from "./call.ts";

/** `sys/socket.h` */
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** Bytes of `struct cmsghdr`, and of `struct msghdr`. */
const CMSGHDR_SIZE = 16;
const MSGHDR_SIZE = 56;

/** The process at the other end when the connection was made. */
export interface PeerCredentials {
  /** 0 where it has no number in this PID namespace. */
  pid: number;
  uid: number;
  gid: number;
}

/** Reads SO_PEERCRED: the credentials of a connection's other end. unix(7) @throws {SystemError} */
export function peerCredentials(socket: Socket): PeerCredentials {
  const { getsockopt } = socketOptions();
  const [credentials, length] = [new Int32Array(3), Uint32Array.of(12)];
  call(
    () => getsockopt(socket.descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length),
    () => "read who is at the other end of a connection",
  );
  const [pid, uid, gid] = credentials;
  return { pid: pid!, uid: uid!, gid: gid! };
}

/**
 * Tells whether the process that made a connection has exited: SO_PEERPIDFD, pidfd_open(2). As long as it
 * has not, its PID is nobody else's. Undefined where the kernel does not say (before Linux 6.5).
 */
export function peerHasExited(socket: Socket): boolean | undefined {
  const { getsockopt } = socketOptions();
  const [number, length] = [new Int32Array(1), Uint32Array.of(4)];
  if (getsockopt(socket.descriptor, SOL_SOCKET, SO_PEERPIDFD, number, length) !== 0) {
    // Of one that nobody waits for any more some kernels give no descriptor.
    return runtime.errno() === errnoNumber("ENOPROTOOPT") ? undefined : true;
  }
  using pidfd = new Descriptor(number[0]!);
  return pollReadable([pidfd.number], 0).length > 0;
}

/** Bytes of a stream, and descriptors that came with them. */
export interface Received {
  /** How many bytes were stored; 0 at the end. */
  count: number;
  /** Not inherited by programs that are executed. */
  descriptors: Descriptor[];
}

/**
 * `recvmsg(2)`, or `recvfrom(2)` where no descriptors may come.
 * @param limit how many descriptors may come; the kernel closes any more
 * @returns undefined when nothing is there yet
 * @throws {SystemError}
 */
export function receivePassed(
  socket: Socket,
  into: Uint8Array<ArrayBuffer>,
  limit: number,
): Received | undefined {
  if (limit > 0) {
    if (message?.limit !== limit) message = new Message(limit);
    return message.receive(socket, into);
  }
  const { recvfrom } = sockets();
  const count = attempt(
    () => recvfrom(socket.descriptor, into, into.length, 0, null, null),
    "receive",
  );
  return count === undefined ? undefined : { count, descriptors: [] };
}

/** `struct msghdr` and what it points at: made once, since finding an address takes long. */
class Message {
  /** How many descriptors there is room for. */
  readonly limit: number;
  // A buffer of its own never moves.
  readonly #part = new BigUint64Array(new ArrayBuffer(16)); // struct iovec
  readonly #control: DataView<ArrayBuffer>;
  readonly #header = new DataView(new ArrayBuffer(MSGHDR_SIZE));

  constructor(limit: number) {
    this.limit = limit;
    this.#control = new DataView(new ArrayBuffer(CMSGHDR_SIZE + 8 * Math.ceil(limit / 2)));
    this.#header.setBigUint64(16, runtime.addressOf(this.#part), true);
    this.#header.setBigUint64(24, 1n, true);
    this.#header.setBigUint64(32, runtime.addressOf(this.#control), true);
  }

  receive(socket: Socket, into: Uint8Array<ArrayBuffer>): Received | undefined {
    const { recvmsg } = messages();
    this.#part[0] = runtime.addressOf(into);
    this.#part[1] = BigInt(into.length);
    this.#header.setBigUint64(40, BigInt(this.#control.byteLength), true);
    const count = attempt(
      () => recvmsg(socket.descriptor, this.#header, MSG_CMSG_CLOEXEC),
      "receive",
    );
    if (count === undefined) return undefined;
    return { count, descriptors: descriptorsIn(this.#control, this.#header.getUint32(40, true)) };
  }
}

/** The message that was used last: a server allows each client the same number of descriptors. */
let message: Message | undefined;

/**
 * Reads the descriptors that came with a message.
 * @param control `struct cmsghdr`, one at most: what else there is was not asked for
 * @param length bytes
 */
function descriptorsIn(control: DataView, length: number): Descriptor[] {
  if (length < CMSGHDR_SIZE) return [];
  const size = control.getUint32(0, true) - CMSGHDR_SIZE;
  if (control.getInt32(8, true) !== SOL_SOCKET || control.getInt32(12, true) !== SCM_RIGHTS) {
    return [];
  }
  const descriptors: Descriptor[] = [];
  for (let offset = CMSGHDR_SIZE; offset < CMSGHDR_SIZE + size; offset += 4) {
    descriptors.push(new Descriptor(control.getInt32(offset, true)));
  }
  return descriptors;
}
