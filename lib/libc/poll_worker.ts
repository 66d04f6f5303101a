/** The thread of a {@link Poller}: it is sent descriptors, waits, and sends back the readable ones. */
import { pollReadable } from "./poll.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<readonly number[]>) => void) | null;
  postMessage(readable: readonly number[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: descriptors }) => {
  scope.postMessage(pollReadable(descriptors, -1));
};
