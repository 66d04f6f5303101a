import type { Poller } from "../libc/poller.ts";
import type { Socket } from "../libc/socket.ts";

/** Pause before writing on to a peer whose buffer is full. Milliseconds. */
const WRITE_PAUSE_MS = 5;

/** An accepted connection of a stream socket. Its signal reports that the peer has closed it. */
export class Connection implements Disposable {
  readonly #socket: Socket;
  readonly #watch: Disposable;
  readonly #closed = new AbortController();

  /**
   * @param socket is closed with this object
   * @param received is called with bytes as they come, which may be a part of a message
   */
  constructor(socket: Socket, poller: Poller, received: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#socket = socket;
    this.#watch = poller.watch(socket, () => {
      const bytes = this.#read();
      if (bytes?.length === 0) this[Symbol.dispose]();
      else if (bytes) received(bytes);
    });
  }

  /** Aborted once the peer has closed or shut down its end, or this one is closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * Writes, for as long as the peer reads and the connection is open.
   * @param timeoutMs when to give up on a peer that does not read
   */
  async write(bytes: Uint8Array<ArrayBuffer>, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    let rest = bytes;
    while (!this.signal.aborted && rest.length > 0 && performance.now() < deadline) {
      try {
        const count = this.#socket.send(rest);
        if (count !== undefined) rest = rest.slice(count);
        else await new Promise((resolve) => setTimeout(resolve, WRITE_PAUSE_MS));
      } catch {
        return; // The peer is gone; its end of the connection says so, too.
      }
    }
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    if (this.signal.aborted) return;
    this.#watch[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
    this.#closed.abort(new Error("the peer has closed the connection"));
  }

  /** Reads what has come; empty at the end, undefined when there is nothing. */
  #read(): Uint8Array<ArrayBuffer> | undefined {
    try {
      return this.#socket.receive()?.data;
    } catch {
      return new Uint8Array(0);
    }
  }
}
