const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Being told to end aborts {@link signal} instead: what was begun can be taken back. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #abort = () => this.#controller.abort();

  constructor() {
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#abort);
  }
}
