import { Descriptor, O_NOCTTY, O_NONBLOCK, O_WRONLY } from "../libc/descriptor.ts";
import { pollReadable, pollWritable } from "../libc/poll.ts";
import type { Watcher } from "../libc/poller.ts";
import { descriptors as calls, pipes, transfers } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import type { Readiness } from "../libc/epoll.ts";
import { concat } from "../runtime/concat.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";
import { sleep } from "../runtime/sleep.ts";

/** Bytes that a pipe takes in one write, whole or not at all. pipe(7) */
const PIPE_BUF = 4096;
/** The buffer that every stream is read into: the bytes are copied from it at once. */
const buffer = new Uint8Array(65536);
/** `linux/fcntl.h`, `asm-generic/ioctls.h` */
const F_GETPIPE_SZ = 1032;
const FIONREAD = 0x541b;
const TCGETS = 0x5401;
/** At least the size of `struct termios`. Bytes. */
const TERMIOS = 64;
/** Pause before writing again where poll(2) finds room that a write does not. Milliseconds. */
const WRITE_PAUSE_MS = 5;

const EAGAIN = errnoNumber("EAGAIN");
const EINTR = errnoNumber("EINTR");

/**
 * The three standard streams of a caller, by the descriptors that it passed. The caller shares these
 * open files: they are never made non-blocking, and no read or write blocks. poll(2) says which are
 * ready.
 */
export class PassedStreams implements Disposable {
  readonly #descriptors: readonly Descriptor[];
  readonly #poller: Watcher;
  /** Why the streams were closed; undefined while they are open. */
  #closed: { reason: unknown } | undefined;
  /** Ends each wait for a descriptor. */
  readonly #waiting = new Set<() => void>();
  /** Resolves when everything passed to {@link write} so far is written, in that order. */
  #written: Promise<void> = Promise.resolve();

  /** @param descriptors standard input, output and error; they are closed with this object */
  constructor(descriptors: readonly Descriptor[], poller: Watcher) {
    const [input, output, error] = descriptors;
    this.#descriptors = [input!, forWriting(output!), forWriting(error!)];
    this.#poller = poller;
  }

  /**
   * Reads standard input to its end, or until more than `limit` bytes have come.
   * @throws {SystemError}
   * @throws what the streams were closed for
   */
  async readInput(limit: number): Promise<Uint8Array> {
    const { read } = transfers();
    const chunks: Uint8Array[] = [];
    for (let size = 0; size <= limit;) {
      await this.#ready(0, "read");
      const count = transfer(() => read(this.#number(0), buffer, buffer.length), "read");
      if (count === 0) break;
      chunks.push(buffer.slice(0, count));
      size += count ?? 0;
    }
    return concat(chunks);
  }

  /**
   * Writes `text` after everything that was written before.
   * @throws {SystemError} EPIPE where nobody reads
   * @throws what the streams were closed for
   */
  async write(stream: 1 | 2, text: string): Promise<void> {
    const before = this.#written.catch(() => {}); // Whoever waits for it gets its error.
    const written = before.then(() => this.#write(stream, new TextEncoder().encode(text)));
    this.#written = written;
    await written;
  }

  /**
   * Closes the descriptors; reads and writes that wait reject with `reason`. Repeatable.
   * @param reason absent where the call has ended: that error is made only if somebody waits
   */
  close(reason?: unknown): void {
    this.#closed ??= { reason };
    for (const end of this.#waiting) end(); // Before the descriptors are closed.
    for (const descriptor of this.#descriptors) descriptor[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.close();
  }

  async #write(stream: 1 | 2, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { write } = transfers();
    for (let done = 0; done < bytes.length;) {
      await this.#ready(stream, "write");
      const part = bytes.slice(done, done + this.#room(stream, bytes.length - done));
      const count = transfer(() => write(this.#number(stream), part, part.length), "write");
      if (count === undefined) await sleep(WRITE_PAUSE_MS);
      else done += count;
    }
  }

  /**
   * Returns the number of bytes that can be written at once: of an empty pipe its whole capacity,
   * so that nearly every answer arrives whole or not at all, should this process be killed. Not on
   * standard error, whose pipe other processes write to, too.
   */
  #room(stream: 1 | 2, wanted: number): number {
    if (wanted <= PIPE_BUF) return wanted;
    if (stream === 2) return PIPE_BUF;
    const { fcntl, ioctl } = pipes();
    const size = fcntl(this.#number(stream), F_GETPIPE_SZ, 0);
    const queued = new Int32Array(1);
    const isEmpty = ioctl(this.#number(stream), FIONREAD, queued) === 0 && queued[0] === 0;
    return size > PIPE_BUF && isEmpty ? size : PIPE_BUF;
  }

  #number(stream: 0 | 1 | 2): number {
    if (this.#closed) throw this.#reason();
    return this.#descriptors[stream]!.number;
  }

  /** Returns why the streams are closed. */
  #reason(): unknown {
    return this.#closed?.reason ?? new Error("the call has ended");
  }

  /** Waits until a read or a write would not block. */
  async #ready(stream: 0 | 1 | 2, readiness: Readiness): Promise<void> {
    const descriptor = this.#number(stream);
    const poll = readiness === "read" ? pollReadable : pollWritable;
    if (poll([descriptor], 0).length > 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using watch = this.#poller.watch({ descriptor }, resolve, readiness);
    const end = () => {
      watch[Symbol.dispose]();
      reject(this.#reason());
    };
    this.#waiting.add(end);
    try {
      await promise;
    } finally {
      this.#waiting.delete(end);
    }
  }
}

/**
 * Opens a terminal anew, in non-blocking mode: write(2) to one waits until there is room for all,
 * where poll(2) says that there is room for a byte. Returns other files as they are.
 */
function forWriting(descriptor: Descriptor): Descriptor {
  if (calls().ioctl(descriptor.number, TCGETS, new Uint8Array(TERMIOS)) !== 0) return descriptor;
  try {
    const path = `/proc/self/fd/${descriptor.number}`;
    const terminal = Descriptor.open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    descriptor[Symbol.dispose]();
    return terminal;
  } catch {
    return descriptor; // It has been hung up: writing fails, too.
  }
}

/** Reads or writes, and returns the number of bytes; undefined where it has to be tried again. */
function transfer(invoke: () => number | bigint, verb: string): number | undefined {
  const result = Number(invoke());
  if (result >= 0) return result;
  const errno = runtime.errno();
  // Another process with the same open file has made it non-blocking, and used it first.
  if (errno === EAGAIN || errno === EINTR) return undefined;
  throw new SystemError(verb, errno);
}
