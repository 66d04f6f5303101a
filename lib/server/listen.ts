/**
 * Listening at a path of the file system: unix(7).
 *
 * @module
 */
import { AF_UNIX, unixAddress } from "../libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { removeIfPresent } from "../runtime/write_atomic.ts";
import { CniError } from "../types/error.ts";

/** Names the server, and says which users may connect. */
export interface ListenOptions {
  /** The server's name in errors: "dhcp daemon". */
  server: string;
  /** Permission bits of the socket: connecting requires write permission. */
  mode: number;
}

/**
 * Listens at a path. Its directory is made where there is none, readable by the owner only, and a
 * socket without a listener is replaced.
 * @throws {CniError} code 11 when a server answers there already, 5 when the socket cannot be made
 */
export function listenAt(path: string, { server, mode }: ListenOptions): Socket {
  const address = unixAddress(path);
  try {
    runtime.files.makeDirectory(path.slice(0, path.lastIndexOf("/")) || "/", 0o700);
    if (isAnswered(address, path)) {
      throw CniError.tryAgainLater(`a ${server} already answers at ${path}`);
    }
    removeIfPresent(path);
    return listen(address, path, mode);
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw CniError.io(`cannot listen at ${path}: ${messageOf(error)}`);
  }
}

function listen(address: Uint8Array<ArrayBuffer>, path: string, mode: number): Socket {
  const socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  try {
    socket.bind(address, path);
    // Before listen(2): until now the umask decides the permissions.
    runtime.files.chmod(path, mode);
    socket.listen();
    return socket;
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
}

function isAnswered(address: Uint8Array<ArrayBuffer>, path: string): boolean {
  using socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  try {
    socket.connect(address, path);
    return true;
  } catch (error) {
    const code = error instanceof SystemError ? error.code : "";
    // EAGAIN is a full backlog: a server listens.
    if (code === "EAGAIN") return true;
    if (["ENOENT", "ECONNREFUSED"].includes(code)) return false;
    throw error;
  }
}
