import { fromFileUrl } from "./paths.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/**
 * The project's files over HTTP on the loopback interface, as somebody who imports the library from
 * a URL gets them. A thread of its own serves them, so that the test may wait for programs.
 */
export class TreeServer implements Disposable {
  readonly #worker: Worker;
  /** Where the project's directory is, with a slash at the end. */
  readonly url: string;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.url = `http://127.0.0.1:${port}/`;
  }

  /** Starts a server in the network namespace of the calling thread. */
  static async start(): Promise<TreeServer> {
    const worker = new Worker(new URL("./tree_server_worker.ts", import.meta.url), {
      type: "module",
    });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(ROOT);
    return new TreeServer(worker, await promise);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
