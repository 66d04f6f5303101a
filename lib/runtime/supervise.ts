import { concat } from "./concat.ts";
import type { RunOptions, RunOutput } from "./types.ts";

/** How long to wait for the end and the last output of a program that was killed. Milliseconds. */
const KILLED_GRACE_MS = 200;

/** A program that was started. */
export interface Child {
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Resolves when the program has ended, whoever still holds its pipes. */
  readonly ended: Promise<Pick<RunOutput, "code" | "signal">>;
  /** Kills it with SIGKILL; does nothing where it has ended. */
  kill(): void;
}

/**
 * Waits until a program has ended and its pipes are closed, and reads them meanwhile.
 *
 * At the deadline, or when it is aborted, the program is killed, and its pipes are not read any
 * further: a process that it left running in the background may hold them open.
 */
export async function supervise(
  child: Child,
  { timeoutMs, abort }: Pick<RunOptions, "timeoutMs" | "abort">,
): Promise<RunOutput> {
  const [stdout, stderr] = [new Output(child.stdout), new Output(child.stderr)];
  let how: Pick<RunOutput, "code" | "signal"> = { code: null, signal: "SIGKILL" };
  const ended = child.ended.then((status) => {
    how = status;
  });
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<void>();
  const timers: ReturnType<typeof setTimeout>[] = [];
  const kill = () => {
    child.kill();
    timers.push(setTimeout(giveUp, KILLED_GRACE_MS));
  };
  let timedOut = false;
  timers.push(setTimeout(() => {
    timedOut = true;
    kill();
  }, timeoutMs));
  abort?.addEventListener("abort", kill);
  if (abort?.aborted) kill();
  try {
    await Promise.race([Promise.all([ended, stdout.end, stderr.end]), givenUp]);
    return { ...how, timedOut, stdout: stdout.close(), stderr: stderr.close() };
  } finally {
    timers.forEach(clearTimeout);
    abort?.removeEventListener("abort", kill);
  }
}

/** The output of a pipe. */
class Output {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #chunks: Uint8Array[] = [];
  /** Resolves when the other end is closed everywhere. */
  readonly end: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.end = this.#read();
  }

  async #read(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      this.#chunks.push(value);
    }
  }

  /** Stops reading. Returns the bytes so far. */
  close(): Uint8Array {
    void this.#reader.cancel();
    return concat(this.#chunks);
  }
}
