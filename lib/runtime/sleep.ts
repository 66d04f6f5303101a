/** Blocks this thread for `ms` milliseconds, without giving anything else a turn. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
