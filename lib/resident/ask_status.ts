import { AF_UNIX, unixAddress } from "../libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { concat } from "../runtime/concat.ts";
import { STATUS_MAGIC } from "../server/protocol.ts";
import type { ResidentStatus } from "../server/resident.ts";
import { CniError } from "../types/error.ts";

/** How long to wait for the server's answer. Milliseconds. */
const DEADLINE_MS = 5000;

/** Reads a resident server's status. @throws {CniError} code 11 where none answers */
export function askStatus(path: string): ResidentStatus {
  using socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  try {
    socket.connect(unixAddress(path), path);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw CniError.tryAgainLater(
      `no resident server listens at ${path} (${error.code}): plugins do their work themselves; ` +
        "cni serve starts one",
    );
  }
  socket.send(new Uint8Array(Uint32Array.of(STATUS_MAGIC, 0).buffer));
  const chunks: Uint8Array[] = [];
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const received = socket.receive();
    if (received && received.data.length === 0) break;
    if (received) chunks.push(received.data);
    else if (!socket.waitSync(Math.max(0, deadline - performance.now()))) {
      throw CniError.tryAgainLater(`the resident server at ${path} does not answer`);
    }
  }
  return JSON.parse(new TextDecoder().decode(concat(chunks)));
}
