import { napFor } from "./time.ts";

/** What came and nobody took yet, and whoever waits for it. */
export class Mailbox<T> {
  /** A flood that nobody reads must not fill the memory. */
  static readonly #LIMIT = 64;
  readonly #letters: T[] = [];
  #taker: ((letter: T) => void) | undefined;

  put(letter: T): void {
    const taker = this.#taker;
    // It has what it waits for, although it does not know yet: the next one is not for it.
    this.#taker = undefined;
    if (taker) taker(letter);
    else if (this.#letters.length < Mailbox.#LIMIT) this.#letters.push(letter);
  }

  /**
   * The next letter; undefined when none came until `until`. One taker at a time.
   * @throws the signal's reason, once it is aborted
   */
  async take(until: number, signal: AbortSignal): Promise<T | undefined> {
    signal.throwIfAborted();
    if (this.#letters.length > 0) return this.#letters.shift();
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const abort = () => reject(signal.reason);
    this.#taker = resolve;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = () => {
      const ms = napFor(until);
      if (ms <= 0) resolve(undefined);
      else timer = setTimeout(wait, ms);
    };
    wait();
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await promise;
    } finally {
      this.#taker = undefined;
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }
}
