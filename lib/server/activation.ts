/**
 * Socket activation: the service manager listens, and starts the server with the socket. See
 * sd_listen_fds(3), systemd.socket(5).
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { Socket } from "../libc/socket.ts";
import { descriptors } from "../libc/symbols.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";

/** The first descriptor that a service manager passes: SD_LISTEN_FDS_START. */
export const FIRST_PASSED = 3;

/** `asm-generic/ioctls.h`: non-blocking, and close-on-exec. */
const FIONBIO = 0x5421;
const FIOCLEX = 0x5451;

/** `linux/stat.h` */
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;

/**
 * Returns the listening socket that a service manager passed to this process; undefined where it
 * passed none.
 * @param server names the server in an error: "dhcp daemon"
 * @throws {CniError} code 4 where it passed several descriptors, or one that is no socket
 * @throws {SystemError}
 */
export function passedSocket(server: string): Socket | undefined {
  if (runtime.env("LISTEN_PID") !== String(runtime.pid)) return undefined;
  const count = Number(runtime.env("LISTEN_FDS") ?? 0);
  if (count === 0) return undefined;
  if (count !== 1) {
    throw CniError.invalidEnvironment(
      `the service manager passed ${count} sockets (LISTEN_FDS); the ${server} serves exactly one`,
    );
  }
  const { mode } = runtime.files.stat(`/proc/self/fd/${FIRST_PASSED}`);
  if ((mode & S_IFMT) !== S_IFSOCK) {
    throw CniError.invalidEnvironment(
      `LISTEN_FDS says that descriptor ${FIRST_PASSED} is a socket, but it is none`,
    );
  }
  const on = Uint8Array.of(1, 0, 0, 0);
  for (const request of [FIONBIO, FIOCLEX]) {
    call(
      () => descriptors().ioctl(FIRST_PASSED, request, on),
      () => "take over the service manager's socket",
    );
  }
  return new Socket(FIRST_PASSED);
}
