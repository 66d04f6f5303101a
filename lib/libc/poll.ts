import { call } from "./call.ts";
import { polling } from "./symbols.ts";

/** `poll.h` */
const POLLIN = 1;
const POLLOUT = 4;

/** Bytes of `struct pollfd`: descriptor, 16 bits of requested events, 16 bits of returned ones. */
const POLLFD_SIZE = 8;

/**
 * `poll(2)`: waits until a descriptor is readable, closed by its peer, or has an error to report.
 * The calling thread does nothing else meanwhile.
 * @param timeoutMs -1 to wait for as long as it takes
 * @returns those descriptors, in the order given; none when the time is over
 * @throws {SystemError}
 */
export function pollReadable(descriptors: readonly number[], timeoutMs: number): number[] {
  return pollFor(POLLIN, descriptors, timeoutMs);
}

/** As {@link pollReadable}, for room to write: in a pipe, of at least PIPE_BUF. pipe(7) */
export function pollWritable(descriptors: readonly number[], timeoutMs: number): number[] {
  return pollFor(POLLOUT, descriptors, timeoutMs);
}

function pollFor(events: number, descriptors: readonly number[], timeoutMs: number): number[] {
  const entries = new Uint8Array(descriptors.length * POLLFD_SIZE);
  const view = new DataView(entries.buffer);
  descriptors.forEach((descriptor, index) => {
    view.setInt32(index * POLLFD_SIZE, descriptor, true);
    view.setInt16(index * POLLFD_SIZE + 4, events, true);
  });
  const { poll } = polling();
  call(
    () => poll(entries, descriptors.length, Math.ceil(timeoutMs)),
    () => "wait for a descriptor",
  );
  return descriptors.filter((_, index) => view.getInt16(index * POLLFD_SIZE + 6, true) !== 0);
}
