/** Pause before a file is read again. Milliseconds. */
const PAUSE = 100;

/** Waits until there is a file; returns false when `ended` settles before. */
export async function appears(path: string, ended: Promise<unknown>): Promise<boolean> {
  const state = watch(ended);
  for (;;) {
    const last = state.hasSettled;
    try {
      await Deno.stat(path);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    if (last) return false;
    await state.pause();
  }
}

/**
 * Copies a file to standard output while somebody writes it, until `ended` has settled. What is
 * printed afterwards begins on a line of its own.
 */
export async function follow(path: string, ended: Promise<unknown>): Promise<void> {
  const state = watch(ended);
  using file = await Deno.open(path);
  const buffer = new Uint8Array(65536);
  let end = NEWLINE;
  for (;;) {
    // Before the file is read: whatever was written before the end is in it by then.
    const last = state.hasSettled;
    const length = await file.read(buffer);
    if (length) {
      await write(buffer.subarray(0, length));
      end = buffer[length - 1]!;
    } else if (last) break;
    else await state.pause();
  }
  if (end !== NEWLINE) await write(new Uint8Array([NEWLINE]));
}

const NEWLINE = 10;

/** Tells whether a promise has settled, and makes pauses that end early when it does. */
function watch(promise: Promise<unknown>): { hasSettled: boolean; pause(): Promise<void> } {
  const state = {
    hasSettled: false,
    async pause() {
      const { promise: paused, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, PAUSE);
      await Promise.race([end, paused]);
      clearTimeout(timer);
    },
  };
  const end = promise.finally(() => state.hasSettled = true);
  return state;
}

async function write(bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
}
