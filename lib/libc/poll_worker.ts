/** The thread of a {@link Poller}: told what to wait for, it waits, and answers what is readable. */
import { call } from "./call.ts";
import type { PollReply, PollRequest } from "./poller.ts";
import { polling } from "./symbols.ts";

/** The part of a Worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<PollRequest>) => void) | null;
  postMessage(reply: PollReply): void;
}

/** `poll.h` */
const POLLIN = 1;

/** Bytes of `struct pollfd`: descriptor, 16 bits of events, 16 bits of what there is. */
const ENTRY = 8;

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: descriptors }) => {
  const entries = new Uint8Array(descriptors.length * ENTRY);
  const view = new DataView(entries.buffer);
  descriptors.forEach((descriptor, index) => {
    view.setInt32(index * ENTRY, descriptor, true);
    view.setInt16(index * ENTRY + 4, POLLIN, true);
  });
  call(() => polling().poll(entries, descriptors.length, -1), () => "wait for sockets");
  scope.postMessage(
    descriptors.filter((_, index) => view.getInt16(index * ENTRY + 6, true) !== 0),
  );
};
