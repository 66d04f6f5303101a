const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Aborts {@link signal} on signals that end a process, so that what was begun can be undone. */
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
