import type { Snapshot } from "../runtime/async_storage.ts";
import { Deadlines } from "./deadlines.ts";
import { Epoll, type Readiness } from "./epoll.ts";
import { END_ID, WATCHED_ID } from "./poll_ids.ts";
import { pollReadable } from "./poll.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { SOCK_DGRAM, Socket } from "./socket.ts";

/**
 * How long a thread with work, and one without, does without the runtime's events since it last had one: a
 * timer is late by so much at most. A signal ends the waiting. Milliseconds.
 */
const [BUSY_MS, IDLE_MS] = [5, 1000];

/** How long the runtime then has for its events, before a thread without work waits again. Milliseconds. */
const REST_MS = 20;

/**
 * How long a thread without work waits for a single descriptor before it adds that one to the others:
 * to add it, wait and remove it takes twice as long. Milliseconds.
 */
const SOON_MS = 1;

/**
 * How long a thread waits where everybody who has work for it waits for a descriptor. What they may wait
 * for besides is late by as much. Milliseconds.
 */
const ALL_WAIT_MS = 1;

/**
 * How many microtasks those who were called get before this thread looks what else is ready. A look more or
 * less does no harm.
 */
const HOPS = 16;

/**
 * Waits for any number of descriptors, whatever namespaces they were opened in, and lets this thread do
 * other things meanwhile.
 *
 * The runtimes know how to wait for sockets they opened themselves, but not for packet sockets,
 * for those opened in another namespace, or for what somebody passed on. So a Worker sits in
 * `epoll_wait(2)`. It never has to be woken: the set is changed under it.
 *
 * A message of the Worker's takes 0.1 ms, after a pause 0.2. So this thread looks by itself as long as it
 * finds something, and waits by itself where nobody has work for it: {@link Poller.begin} and
 * {@link Poller.end} count that. Where all who have some wait for descriptors, it waits a moment.
 */
export class Poller implements Disposable {
  readonly #epoll = new Epoll();
  readonly #watched = new Map<number, () => void>();
  readonly #deadlines = new Deadlines();
  /** Never the same twice: what is reported may be gone, and its descriptor's number another's. */
  #nextId = 1;
  /** What the Worker waits for: {@link #end}, and {@link #epoll} while it is left to it. */
  readonly #workers = new Epoll();
  readonly #worker = new Worker(new URL("./poll_worker.ts", import.meta.url), { type: "module" });
  readonly #end: readonly [own: Socket, watched: Socket] = Socket.pair(AF_UNIX, SOCK_DGRAM);
  /** How many have work for this thread. The first is whoever made this object. */
  #work = 1;
  /** How many of them wait for a descriptor. */
  #waiting = 0;
  #isLeft = false;
  /** The number of microtasks before {@link #look}; 0 when it is not about to be called. */
  #hops = 0;
  /** When the runtime last had an event for this thread. Milliseconds. */
  #lastEvent = 0;
  readonly #asItself: Snapshot;
  /** Ends the time that the runtime has for its events, of a thread without work. */
  #rest: ReturnType<typeof setTimeout> | undefined;
  /** Ends the same of a thread with work. */
  #turn: ReturnType<typeof setTimeout> | undefined;
  #isEnding = false;

  /**
   * @param asItself runs what looks, which belongs to no call, whosever end it was that began it; needed
   * where calls are served
   */
  constructor(asItself: Snapshot = (work) => work()) {
    this.#asItself = asItself;
    this.#workers.add(this.#end[1].descriptor, END_ID, "read");
    this.#workers.add(this.#epoll.descriptor, WATCHED_ID, "read");
    this.#leave();
    this.#worker.onmessage = ({ data: isEnd }: MessageEvent<boolean>) => {
      if (isEnd) return this.#close();
      this.#isLeft = false;
      this.#lookAfterEvent();
    };
    this.#worker.postMessage(this.#workers.descriptor);
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
    this.#watched.set(id, ready);
    return new Watch(() => {
      if (this.#watched.delete(id)) this.#epoll.remove(descriptor);
    });
  }

  /** Waits until there is something to read. Returns whether there is: false when `ms` are over before. */
  readable(descriptor: number, ms: number): Promise<boolean> {
    const readable = this.#readable(descriptor, ms, () => this.#waiting--);
    this.#waiting++;
    return readable;
  }

  /**
   * As {@link readable}, for somebody who has no work for this thread meanwhile, and has some then.
   * @param left says how many milliseconds are left; asked where it is not readable soon
   */
  async readableWithoutWork(descriptor: number, left: () => number): Promise<boolean> {
    const isAlone = this.#work === 1;
    // A descriptor of the set ends the waiting, too: nobody else is kept waiting.
    const ready = pollReadable([descriptor, this.#epoll.descriptor], isAlone ? SOON_MS : 0);
    if (ready[0] === descriptor) return true;
    const ms = left();
    if (ms <= 0) return false;
    const readable = this.#readable(descriptor, ms, () => this.begin());
    this.end();
    return await readable;
  }

  /** Notes that somebody has work for this thread, or waits for other things than watched descriptors. */
  begin(): void {
    this.#work++;
  }

  /**
   * Notes that somebody has no more work, or waits for a watched descriptor. Whoever made this object has
   * some until it says so.
   */
  end(): void {
    if (--this.#work === 0) this.#lookSoon();
  }

  /** Stops waiting, and ends the thread. */
  [Symbol.dispose](): void {
    this.#isEnding = true;
    clearTimeout(this.#rest);
    clearTimeout(this.#turn);
    this.#watched.clear();
    this.#deadlines[Symbol.dispose]();
    this.#end[0].send(new Uint8Array(1));
  }

  /** @param ended is called at once when the waiting ends: whoever waits goes on a little later */
  #readable(descriptor: number, ms: number, ended: () => void): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = (isReadable: boolean) => {
      watch[Symbol.dispose](); // Now: it would be reported again first.
      inTime();
      ended();
      resolve(isReadable);
    };
    const watch = this.watch({ descriptor }, () => end(true));
    const inTime = this.#deadlines.add(ms, () => end(false));
    return promise;
  }

  /** Looks once those who go on now have gone on. */
  #lookSoon(): void {
    if (this.#hops === 0) this.#asItself(() => void Promise.resolve().then(this.#hop));
    this.#hops = HOPS;
  }

  readonly #hop = () => {
    // Not queueMicrotask(), which takes ten times as long with Deno.
    if (--this.#hops > 0) return void Promise.resolve().then(this.#hop);
    try {
      this.#look();
    } catch (error) {
      // Now: what a promise rejects with is heard of once this thread no longer waits.
      queueMicrotask(() => {
        throw error;
      });
    }
  };

  /** Looks, from something that the runtime called. */
  #lookAfterEvent(): void {
    this.#lastEvent = performance.now();
    this.#look();
  }

  /** Calls those whose descriptors are ready. Without work it waits until there are some. */
  #look(): void {
    if (this.#isEnding) return;
    const isIdle = this.#work === 0;
    const left = this.#lastEvent + (isIdle ? IDLE_MS : BUSY_MS) - performance.now();
    let ready: readonly number[] = [];
    try {
      if (left > 0) {
        const ms = isIdle ? Math.ceil(left) : this.#waiting >= this.#work ? ALL_WAIT_MS : 0;
        if (ms > 0) this.#takeBack();
        ready = this.#epoll.wait(ms);
      }
      for (const id of ready) this.#watched.get(id)?.();
    } finally {
      if (ready.length > 0) this.#lookSoon();
      else if (left <= 0 && !isIdle) this.#lookAfterTurn();
      else this.#leave();
      if (isIdle && ready.length === 0) this.#waitAgainSoon();
    }
  }

  /** Looks again, once the runtime told of its events: sooner than a message of the Worker's comes. */
  #lookAfterTurn(): void {
    if (!this.#isLeft) this.#turn ??= setTimeout(this.#turnOver, 0);
  }

  readonly #turnOver = () => {
    this.#turn = undefined;
    this.#lookAfterEvent();
  };

  /** Waits again, unless there is work by then, once the runtime had time for its events. */
  #waitAgainSoon(): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      if (this.#work === 0) this.#lookAfterEvent();
    }, REST_MS);
  }

  /** Leaves the waiting to the Worker. */
  #leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#workers.reportOnce(this.#epoll.descriptor, WATCHED_ID);
  }

  #takeBack(): void {
    if (!this.#isLeft) return;
    this.#isLeft = false;
    this.#workers.mute(this.#epoll.descriptor, WATCHED_ID);
  }

  /** The Worker uses its set no more. */
  #close(): void {
    this.#worker.terminate();
    this.#workers[Symbol.dispose]();
    this.#epoll[Symbol.dispose]();
    for (const socket of this.#end) socket[Symbol.dispose]();
  }
}

/** A descriptor that is watched. V8 makes an object of a class several times as fast as one with its own method. */
class Watch implements Disposable {
  constructor(readonly end: () => void) {}

  [Symbol.dispose](): void {
    this.end();
  }
}

/** The part of a {@link Poller} that those use who wait for descriptors of their own. */
export type Watcher = Pick<Poller, "watch">;
