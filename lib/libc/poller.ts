import { AF_UNIX } from "./sockaddr.ts";
import { SOCK_DGRAM, Socket } from "./socket.ts";

/**
 * Waits for any number of sockets with one thread, whatever namespaces they were opened in, and
 * lets this thread do other things meanwhile.
 *
 * The runtimes know how to wait for sockets they opened themselves, but not for packet sockets,
 * for those opened in another namespace, or for one that a service manager passed on. So a Worker
 * sits in `poll(2)`; a datagram on a socket of our own calls it back when the set changes.
 */
export class Poller implements Disposable {
  readonly #worker = new Worker(new URL("./poll_worker.ts", import.meta.url), { type: "module" });
  readonly #wake: readonly [own: Socket, workers: Socket] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  readonly #watched = new Map<number, () => void>();
  /** Whether the Worker is waiting; it is told of changes then. */
  #waiting = false;
  #woken = false;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<readonly number[]>) => this.#answered(data);
  }

  /**
   * Calls `ready` whenever there is something to read, until the returned object is disposed of,
   * which must come before the socket's end.
   */
  watch(socket: Socket, ready: () => void): Disposable {
    const { descriptor } = socket;
    this.#watched.set(descriptor, ready);
    this.#changed();
    return {
      [Symbol.dispose]: () => {
        if (this.#watched.get(descriptor) !== ready) return;
        this.#watched.delete(descriptor);
        this.#changed();
      },
    };
  }

  /** Stops waiting, and ends the thread. */
  [Symbol.dispose](): void {
    this.#watched.clear();
    this.#worker.terminate();
    // The thread is in `poll(2)`, and ends when that returns.
    this.#wake[0].send(new Uint8Array(1));
    for (const socket of this.#wake) socket[Symbol.dispose]();
  }

  #changed(): void {
    if (!this.#waiting) return this.#wait();
    if (this.#woken) return;
    this.#woken = true;
    this.#wake[0].send(new Uint8Array(1));
  }

  #wait(): void {
    this.#waiting = true;
    this.#worker.postMessage([this.#wake[1].descriptor, ...this.#watched.keys()]);
  }

  #answered(readable: readonly number[]): void {
    this.#waiting = false;
    if (this.#woken) {
      this.#wake[1].receive(1);
      this.#woken = false;
    }
    for (const descriptor of readable) this.#watched.get(descriptor)?.();
    if (!this.#waiting) this.#wait();
  }
}

/** The part of a {@link Poller} that those use who wait for sockets of their own. */
export type Watcher = Pick<Poller, "watch">;
