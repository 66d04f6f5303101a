/** The thread of a {@link Poller}: it waits, and sends back the ids of the descriptors that are ready. */
import { END_ID, epollWait } from "./epoll.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<number>) => void) | null;
  postMessage(ready: readonly number[]): void;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: epoll }) => {
  for (let ended = false; !ended;) {
    const ready = epollWait(epoll);
    ended = ready.includes(END_ID);
    scope.postMessage(ready);
  }
  scope.close();
};
