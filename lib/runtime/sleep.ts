/** Blocks this thread for `ms` milliseconds. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Resolves after `ms` milliseconds; everything else goes on meanwhile. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `work` has settled, but no longer than `ms`. Returns whether it has. */
export async function endsWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<boolean>((resolve) => timer = setTimeout(resolve, ms, false));
  const ended = work.then(() => true, () => true);
  const hasEnded = await Promise.race([ended, deadline]);
  clearTimeout(timer);
  return hasEnded;
}
