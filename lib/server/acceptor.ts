import type { Watcher } from "../libc/poller.ts";
import type { Socket } from "../libc/socket.ts";
import { messageOf } from "../runtime/errors.ts";

/** Before accepting again after accept(2) failed. Milliseconds. */
const PAUSE_MS = 100;

/** What an acceptor does with connections, and with its own errors. */
export interface AcceptorOptions {
  /** Is given each connection, which is its own to close. */
  serve(connection: Socket): void;
  /** Is told what went wrong, in one line. */
  log(text: string): void;
}

/** Accepts the connections of a listening socket: accept(2). */
export class Acceptor implements Disposable {
  readonly #listener: Socket;
  readonly #poller: Watcher;
  readonly #options: AcceptorOptions;
  #watch: Disposable;
  #pause: ReturnType<typeof setTimeout> | undefined;

  /** @param listener is closed with this object */
  constructor(listener: Socket, poller: Watcher, options: AcceptorOptions) {
    this.#listener = listener;
    this.#poller = poller;
    this.#options = options;
    this.#watch = this.#listen();
  }

  /** Accepts no more, and closes the listening socket. */
  [Symbol.dispose](): void {
    clearTimeout(this.#pause);
    this.#watch[Symbol.dispose]();
    this.#listener[Symbol.dispose]();
  }

  #listen(): Disposable {
    return this.#poller.watch(this.#listener, () => this.#accept());
  }

  #accept(): void {
    const { serve, log } = this.#options;
    try {
      for (
        let connection = this.#listener.accept();
        connection;
        connection = this.#listener.accept()
      ) serve(connection);
    } catch (error) {
      log(`cannot accept a connection: ${messageOf(error)}`);
      // Without free descriptors the connection goes on waiting, and the socket stays readable:
      // without a pause nothing else would happen on this thread.
      this.#watch[Symbol.dispose]();
      this.#pause = setTimeout(() => this.#watch = this.#listen(), PAUSE_MS);
    }
  }
}
