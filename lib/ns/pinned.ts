import { isConsoleOnStderr } from "../runtime/console.ts";
import { CniError } from "../types/error.ts";
import type { NetNs } from "./netns.ts";
import type { PinnedReply, PinnedRequest } from "./pinned_messages.ts";

/**
 * Starts a Worker whose thread is inside a namespace for good, for work that is long or
 * asynchronous: a server, a client, a wait. Sockets it opens are inside; its `onmessage` gets the
 * messages that follow. Files under /proc and /sys it must read synchronously: asynchronous file
 * access happens on threads that all share.
 *
 * Starting one takes about 12 ms in Deno and 3 ms in Bun.
 * @param module URL of the module to load inside, such as `new URL("./server.ts", import.meta.url)`
 * @returns the Worker, once the module has been loaded; the caller terminates it
 * @throws {CniError} code 999 when the thread cannot enter, or the module cannot be loaded
 */
export function startPinnedWorker(netns: NetNs, module: URL): Promise<Worker> {
  const worker = new Worker(new URL("./pinned_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Worker>();
  const fail = (why: string) => {
    worker.terminate();
    reject(CniError.internal(`cannot start a worker in network namespace ${netns.path}: ${why}`));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(event.message);
  };
  worker.onmessage = ({ data }: MessageEvent<PinnedReply>) => {
    if (!data.pinned) return fail(data.error);
    // From now on they are its user's; Deno 2.4 declares that they cannot be null.
    worker.onmessage = worker.onerror = () => {};
    resolve(worker);
  };
  const { descriptor, path } = netns;
  const request = { descriptor, path, module: module.href, consoleToStderr: isConsoleOnStderr() };
  worker.postMessage(request satisfies PinnedRequest);
  return promise;
}
