import type { Poller } from "../../../lib/libc/poller.ts";
import type { Socket } from "../../../lib/libc/socket.ts";
import { Acceptor } from "../../../lib/server/acceptor.ts";
import { Connection } from "../../../lib/server/connection.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, type JsonValue } from "../../../lib/types/json.ts";
import { MAX_LINE, PROTOCOL, type Request, TO_GO_PLUGIN } from "./protocol.ts";
import { readRequest } from "./request.ts";

/** How long a client may take to send its request, and to read the answer. Milliseconds. */
const CLIENT_TIMEOUT = 10_000;

/** Answers a request. @param signal is aborted when the client has closed the connection */
export type Handler = (request: Request, signal: AbortSignal) => Promise<JsonValue> | JsonValue;

/** Serves connections, each with one request. */
export class Server implements Disposable {
  readonly #poller: Poller;
  readonly #handle: Handler;
  readonly #acceptor: Acceptor;
  readonly #connections = new Set<Connection>();

  constructor(
    listener: Socket,
    { poller, handle, log }: { poller: Poller; handle: Handler; log: (text: string) => void },
  ) {
    this.#poller = poller;
    this.#handle = handle;
    this.#acceptor = new Acceptor(listener, poller, {
      serve: (socket) => this.#serve(socket),
      log,
    });
  }

  /** Closes all connections, and accepts no more. */
  [Symbol.dispose](): void {
    this.#acceptor[Symbol.dispose]();
    for (const connection of this.#connections) connection[Symbol.dispose]();
  }

  /** Reads one line, and answers it. What comes behind it is ignored. */
  #serve(socket: Socket): void {
    const decoder = new TextDecoder();
    let text: string | undefined = "";
    const connection = new Connection(socket, this.#poller, (bytes) => {
      if (text === undefined) return;
      text += decoder.decode(bytes, { stream: true });
      const end = text.indexOf("\n");
      if (end < 0 && text.length <= MAX_LINE) return;
      const line = end < 0 ? "" : text.slice(0, end);
      text = undefined;
      clearTimeout(timer);
      this.#answer(line, connection).finally(() => connection[Symbol.dispose]());
    });
    const timer = setTimeout(() => connection[Symbol.dispose](), CLIENT_TIMEOUT);
    this.#connections.add(connection);
    connection.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      this.#connections.delete(connection);
    });
  }

  async #answer(line: string, connection: Connection): Promise<void> {
    const text = /^CONNECT .* HTTP\/1/.test(line)
      ? `HTTP/1.0 400 ${TO_GO_PLUGIN}\r\n\r\n`
      : encodeJson({ protocol: PROTOCOL, ...await this.#outcome(line, connection.signal) }) + "\n";
    await connection.write(new TextEncoder().encode(text), CLIENT_TIMEOUT);
  }

  async #outcome(line: string, signal: AbortSignal) {
    try {
      return { result: await this.#handle(readRequest(line), signal) };
    } catch (error) {
      const { code, message, details } = CniError.from(error);
      return { error: { code, msg: message, ...(details && { details }) } };
    }
  }
}
