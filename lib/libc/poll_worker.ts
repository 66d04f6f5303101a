/** The thread of a {@link Poller}: it waits, and tells the other one that there is something to do. */
import { epollWait } from "./epoll.ts";
import { END_ID } from "./poll_ids.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<number>) => void) | null;
  postMessage(isEnd: boolean): void;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: epoll }) => {
  for (let isEnd = false; !isEnd;) {
    const ready = epollWait(epoll, -1);
    if (ready.length === 0) continue; // a signal
    isEnd = ready.includes(END_ID);
    scope.postMessage(isEnd);
  }
  scope.close();
};
