import { awaitReadable } from "../libc/await_readable.ts";
import { AF_UNIX, unixAddress } from "../libc/sockaddr.ts";
import { SOCK_STREAM, Socket } from "../libc/socket.ts";
import { SystemError } from "../libc/system_error.ts";
import { concat } from "../runtime/concat.ts";
import { STATUS_MAGIC } from "../server/protocol.ts";
import type { ResidentStatus } from "../server/resident.ts";
import { CniError } from "../types/error.ts";
import { decodeText } from "../runtime/decode.ts";

/** How long to wait for the server's answer. Milliseconds. */
const DEADLINE_MS = 5000;

/**
 * Reads a resident server's status.
 * @param path the server's socket
 * @throws {CniError} code 11 where no server listens, it may not be asked, or gives no status
 */
export async function askStatus(path: string): Promise<ResidentStatus> {
  using socket = Socket.open(AF_UNIX, SOCK_STREAM, 0);
  try {
    socket.connect(unixAddress(path), path);
  } catch (error) {
    if (error instanceof SystemError) throw CniError.tryAgainLater(unreached(path, error));
    throw error;
  }
  const text = await readAnswer(socket, path);
  try {
    return JSON.parse(text);
  } catch {
    throw CniError.tryAgainLater(
      text === ""
        ? `what listens at ${path} closed the connection without an answer: ` +
          "a resident server that ends, or another program; ask again"
        : `what listens at ${path} sent no status: ${JSON.stringify(text.slice(0, 100))}; ` +
          "it is no resident server, or it ended meanwhile",
    );
  }
}

/** Says why no connection was made, and what to do. */
function unreached(path: string, { code }: SystemError): string {
  if (code === "EACCES") {
    return `the resident server's socket ${path} may not be connected to (EACCES): ` +
      "only root may; ask as root";
  }
  if (code === "EAGAIN") {
    return `the resident server at ${path} accepts no connection (EAGAIN): ` +
      "it hangs, or is stopped; see its log, and end it if it does";
  }
  return `no resident server listens at ${path} (${code}): plugins do their work themselves; ` +
    "cni serve starts one";
}

/** Asks, and reads to the end of the connection; nothing where it was reset. */
async function readAnswer(socket: Socket, path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  try {
    socket.send(new Uint8Array(Uint32Array.of(STATUS_MAGIC, 0).buffer));
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const received = socket.receive();
      if (received && received.data.length === 0) break;
      if (received) chunks.push(received.data);
      else if (!await awaitReadable(socket, deadline - performance.now())) {
        throw CniError.tryAgainLater(
          `the resident server at ${path} has not answered within ${DEADLINE_MS / 1000} s: ` +
            "it hangs, or is stopped; see its log, and end it if it does",
        );
      }
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  return decodeText(concat(chunks));
}
