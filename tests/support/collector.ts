import type { Answering, Received } from "./collector_worker.ts";

/**
 * An OpenTelemetry collector on the loopback interface. A thread of its own serves it, so that the
 * test may wait for programs.
 */
export class Collector implements Disposable {
  readonly #worker: Worker;
  /** OTEL_EXPORTER_OTLP_ENDPOINT */
  readonly endpoint: string;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts a collector in the network namespace of the calling thread. */
  static async start(answering: Answering = 200): Promise<Collector> {
    const worker = new Worker(new URL("./collector_worker.ts", import.meta.url), {
      type: "module",
    });
    worker.postMessage(answering);
    return new Collector(worker, await next<number>(worker));
  }

  /** What was received since the last time. */
  async received(): Promise<Received[]> {
    this.#worker.postMessage("received");
    return await next<Received[]>(this.#worker);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

function next<T>(worker: Worker): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  return promise;
}
