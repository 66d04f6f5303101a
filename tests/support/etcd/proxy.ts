/** What comes of a transaction that changes something. */
export type Fate = "pass" | "lose the answer" | "delay";

/** A proxy between a client and a member of etcd, which loses and delays what a test says. */
export class EtcdProxy implements AsyncDisposable {
  readonly #target: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #stopped = new AbortController();
  readonly #delayed: { path: string; body: string }[] = [];
  #fate: Fate = "pass";
  #count = 0;
  /** How many requests came. */
  requests = 0;
  /** How long every answer takes. Milliseconds. */
  slowMs = 0;

  constructor(target: string) {
    this.#target = target;
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(
      { ...options, signal: this.#stopped.signal },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Says what becomes of the next transactions that change something. */
  onWrite(fate: Fate, count = 1): void {
    this.#fate = fate;
    this.#count = count;
  }

  /** Delivers what was delayed. Returns how many transactions that were. */
  async deliver(): Promise<number> {
    const delayed = this.#delayed.splice(0);
    for (const { path, body } of delayed) await (await this.#forward(path, body)).body?.cancel();
    return delayed.length;
  }

  async #answer(request: Request): Promise<Response> {
    this.requests++;
    const path = new URL(request.url).pathname;
    const body = await request.text();
    if (this.slowMs > 0) await this.#wait(this.slowMs);
    if (this.#stopped.signal.aborted) return new Response(null, { status: 503 });
    const isWrite = body.includes('"request_put"');
    if (!isWrite || this.#fate === "pass" || this.#count-- <= 0) {
      return await this.#forward(path, body);
    }
    if (this.#fate === "delay") this.#delayed.push({ path, body });
    else await (await this.#forward(path, body)).body?.cancel();
    await this.#wait(60_000);
    return new Response(null, { status: 504 });
  }

  #forward(path: string, body: string): Promise<Response> {
    return fetch(`${this.#target}${path}`, { method: "POST", body });
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#stopped.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#server.finished;
  }
}
