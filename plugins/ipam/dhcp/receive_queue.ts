import { timerDelay } from "./time.ts";

/** Messages that were received and not read yet. */
export class ReceiveQueue<T> {
  /** The most messages that are kept: a flood that nobody reads must not fill the memory. */
  static readonly #LIMIT = 64;
  readonly #messages: T[] = [];
  #reader: ((message: T) => void) | undefined;

  /** Adds a message; it is dropped when the queue is full. */
  push(message: T): void {
    const reader = this.#reader;
    // It has its message, although it does not run before the next one may be pushed.
    this.#reader = undefined;
    if (reader) reader(message);
    else if (this.#messages.length < ReceiveQueue.#LIMIT) this.#messages.push(message);
  }

  /**
   * Takes the next message, and waits for one where there is none. One reader at a time.
   * @param until by the clock of `now()`
   * @returns undefined when none came until then
   * @throws the signal's reason, once it is aborted
   */
  async next(until: number, signal: AbortSignal): Promise<T | undefined> {
    signal.throwIfAborted();
    if (this.#messages.length > 0) return this.#messages.shift();
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const abort = () => reject(signal.reason);
    this.#reader = resolve;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = () => {
      const ms = timerDelay(until);
      if (ms <= 0) resolve(undefined);
      else timer = setTimeout(wait, ms);
    };
    wait();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await promise;
    } finally {
      this.#reader = undefined;
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }
}
