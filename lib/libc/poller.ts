import { END_ID, Epoll, type Readiness } from "./epoll.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { SOCK_DGRAM, Socket } from "./socket.ts";

/** A descriptor that is waited for. */
interface Watched {
  descriptor: number;
  readiness: Readiness;
  ready: () => void;
}

/**
 * Waits for any number of descriptors with one thread, whatever namespaces they were opened in, and
 * lets this thread do other things meanwhile.
 *
 * The runtimes know how to wait for sockets they opened themselves, but not for packet sockets,
 * for those opened in another namespace, or for what somebody passed on. So a Worker sits in
 * `epoll_wait(2)`. It never has to be woken: the set is changed under it.
 */
export class Poller implements Disposable {
  readonly #epoll = new Epoll();
  readonly #worker = new Worker(new URL("./poll_worker.ts", import.meta.url), { type: "module" });
  readonly #end: readonly [own: Socket, watched: Socket] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  readonly #watched = new Map<number, Watched>();
  /** Never the same twice: what was reported may be gone, and its descriptor's number another's. */
  #nextId = END_ID + 1;

  constructor() {
    this.#epoll.add(this.#end[1].descriptor, END_ID, "read");
    this.#worker.onmessage = ({ data }: MessageEvent<readonly number[]>) => this.#reported(data);
    this.#worker.postMessage(this.#epoll.descriptor);
  }

  /**
   * Calls `ready` whenever there is something to read, or room to write, or the other end is closed,
   * until the returned object is disposed of, which must come before the descriptor is closed.
   * @throws {SystemError} EPERM for a regular file, which is always ready
   */
  watch(
    { descriptor }: { readonly descriptor: number },
    ready: () => void,
    readiness: Readiness = "read",
  ): Disposable {
    const id = this.#nextId++;
    this.#epoll.add(descriptor, id, readiness);
    this.#watched.set(id, { descriptor, readiness, ready });
    return {
      [Symbol.dispose]: () => {
        if (this.#watched.delete(id)) this.#epoll.remove(descriptor);
      },
    };
  }

  /** Waits until there is something to read. Returns whether there is: false when `ms` are over before. */
  readable(descriptor: number, ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, ms, false);
    const watch = this.watch({ descriptor }, () => {
      watch[Symbol.dispose](); // Now: it would be waited for again first.
      resolve(true);
    });
    return promise.finally(() => {
      watch[Symbol.dispose]();
      clearTimeout(timer);
    });
  }

  /** Stops waiting, and ends the thread. */
  [Symbol.dispose](): void {
    this.#watched.clear();
    this.#end[0].send(new Uint8Array(1));
  }

  #reported(ids: readonly number[]): void {
    for (const id of ids) {
      if (id === END_ID) return this.#close();
      const watched = this.#watched.get(id);
      watched?.ready();
      // It may have been disposed of.
      if (watched && this.#watched.get(id) === watched) {
        this.#epoll.rearm(watched.descriptor, id, watched.readiness);
      }
    }
  }

  /** The Worker uses the set no more. */
  #close(): void {
    this.#worker.terminate();
    this.#epoll[Symbol.dispose]();
    for (const socket of this.#end) socket[Symbol.dispose]();
  }
}

/** The part of a {@link Poller} that those use who wait for descriptors of their own. */
export type Watcher = Pick<Poller, "watch">;
