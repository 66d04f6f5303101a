/**
 * What the kernel tells of the other end of a Unix socket, and descriptors that it passes: unix(7).
 *
 * @module
 */
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";
import { Descriptor } from "./descriptor.ts";
import { type Socket, SOL_SOCKET } from "./socket.ts";
import { messages, socketOptions } from "./symbols.ts";
import { call } from "./call.ts";
import { SystemError } from "./system_error.ts";

/** `sys/socket.h` */
const SO_PEERCRED = 17;
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

/** Bytes of a stream, and descriptors that came with them. */
export interface Received {
  /** How many bytes were stored; 0 at the end. */
  count: number;
  /** Not inherited by programs that are executed. */
  descriptors: Descriptor[];
}

/**
 * `recvmsg(2)`.
 * @param limit how many descriptors may come; the kernel closes any more
 * @returns undefined when nothing is there yet
 * @throws {SystemError}
 */
export function receivePassed(
  socket: Socket,
  into: Uint8Array<ArrayBuffer>,
  limit: number,
): Received | undefined {
  const { recvmsg } = messages();
  const part = new BigUint64Array(2); // struct iovec
  const control = new Uint8Array(CMSGHDR_SIZE + 8 * Math.ceil(limit / 2));
  const header = new Uint8Array(MSGHDR_SIZE);
  part[0] = runtime.addressOf(into);
  part[1] = BigInt(into.length);
  const view = new DataView(header.buffer);
  view.setBigUint64(16, runtime.addressOf(part), true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, runtime.addressOf(control), true);
  view.setBigUint64(40, BigInt(control.length), true);
  for (;;) {
    const count = Number(recvmsg(socket.descriptor, header, MSG_CMSG_CLOEXEC));
    if (count >= 0) {
      return { count, descriptors: descriptorsIn(control, Number(view.getBigUint64(40, true))) };
    }
    const errno = runtime.errno();
    if (errno === errnoNumber("EAGAIN")) return undefined;
    if (errno !== errnoNumber("EINTR")) throw new SystemError("receive on a socket", errno);
  }
}

/**
 * Reads the descriptors that came with a message.
 * @param control `struct cmsghdr`, one at most: what else there is was not asked for
 */
function descriptorsIn(control: Uint8Array<ArrayBuffer>, length: number): Descriptor[] {
  if (length < CMSGHDR_SIZE) return [];
  const view = new DataView(control.buffer);
  const size = Number(view.getBigUint64(0, true)) - CMSGHDR_SIZE;
  if (view.getInt32(8, true) !== SOL_SOCKET || view.getInt32(12, true) !== SCM_RIGHTS) return [];
  return Array.from(
    { length: size / 4 },
    (_, i) => new Descriptor(view.getInt32(CMSGHDR_SIZE + 4 * i, true)),
  );
}
