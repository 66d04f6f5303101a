import type { Watcher } from "../libc/poller.ts";
import type { Socket } from "../libc/socket.ts";
import { messageOf } from "../runtime/errors.ts";

/** Pause before accepting again after accept(2) failed. Milliseconds. */
const PAUSE_MS = 100;

/** Options of an {@link Acceptor}. */
export interface AcceptorOptions {
  /** Serves a connection, and closes it. */
  serve(connection: Socket): void;
  /** Writes a line about an error. */
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
      // One: where there are more the poller says so again.
      const connection = this.#listener.accept();
      if (connection) serve(connection);
    } catch (error) {
      log(`cannot accept a connection: ${messageOf(error)}`);
      // Without free descriptors the connection stays in the backlog and the socket readable: a loop
      // without a pause would keep this thread busy.
      this.#watch[Symbol.dispose]();
      this.#pause = setTimeout(() => this.#watch = this.#listen(), PAUSE_MS);
    }
  }
}
