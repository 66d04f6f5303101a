/** The thread of a {@link Poller}: it is sent descriptors, waits, and sends back the readable ones. */
import { pollReadable } from "./poll.ts";
import type { PollReply, PollRequest } from "./poller.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<PollRequest>) => void) | null;
  postMessage(reply: PollReply): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: descriptors }) => {
  scope.postMessage(pollReadable(descriptors, -1));
};
