/**
 * Deadlines, of which hardly any is reached: one timer of the runtime's for all of them. To set one and
 * take it back takes a runtime as long as the reading of a file.
 */
export class Deadlines implements Disposable {
  readonly #pending = new Set<{ readonly at: number; readonly reached: () => void }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer ends; infinite without one. As performance.now() */
  #next = Infinity;
  #isEnding = false;

  /** Calls `reached` when `ms` have passed, unless the returned function is called before. */
  add(ms: number, reached: () => void): () => void {
    const deadline = { at: performance.now() + ms, reached };
    this.#pending.add(deadline);
    if (deadline.at < this.#next) this.#wake(deadline.at);
    return () => {
      this.#pending.delete(deadline);
      if (this.#isEnding) this.rest();
    };
  }

  /** Ends the timer where there is no deadline; one that is set later starts it again. */
  rest(): void {
    if (this.#pending.size > 0) return;
    clearTimeout(this.#timer);
    this.#next = Infinity;
  }

  /** Keeps no timer beyond the deadlines that there are now. */
  [Symbol.dispose](): void {
    this.#isEnding = true;
    this.rest();
  }

  #wake(at: number): void {
    clearTimeout(this.#timer);
    this.#next = at;
    this.#timer = setTimeout(this.#look, Math.ceil(at - performance.now()));
  }

  readonly #look = () => {
    const now = performance.now();
    this.#next = Infinity;
    try {
      for (const deadline of this.#pending) {
        if (deadline.at <= now && this.#pending.delete(deadline)) deadline.reached();
      }
    } finally {
      // One that throws keeps no other from being reached.
      let next = Infinity;
      for (const { at } of this.#pending) next = Math.min(next, at);
      if (next < this.#next) this.#wake(next);
    }
  };
}
