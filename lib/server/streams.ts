import { Descriptor, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../libc/descriptor.ts";
import type { Readiness } from "../libc/epoll.ts";
import { pollReadable, pollWritable } from "../libc/poll.ts";
import type { Watcher } from "../libc/poller.ts";
import { MSG_NOSIGNAL, SOL_SOCKET } from "../libc/socket.ts";
import { descriptors as calls, pipes, socketOptions, sockets, transfers } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import { concat } from "../runtime/concat.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";
import { sleep } from "../runtime/sleep.ts";

/** Bytes that a pipe takes in one write, whole or not at all. pipe(7) */
const PIPE_BUF = 4096;
/** The buffer that every stream is read into. */
const buffer = new Uint8Array(65536);
/** `linux/fcntl.h`, `asm-generic/ioctls.h` */
const F_GETPIPE_SZ = 1032;
const TCGETS = 0x5401;
/** At least the size of `struct termios`. Bytes. */
const TERMIOS = 64;
/** `asm-generic/socket.h`, `bits/socket.h` */
const SO_TYPE = 3;
const MSG_DONTWAIT = 0x40;
/** Pause before trying again where poll(2) finds what a read or a write does not. Milliseconds. */
const PAUSE_MS = 5;

const EAGAIN = errnoNumber("EAGAIN");
const EINTR = errnoNumber("EINTR");

/** A stream of the caller's, in use. */
interface Stream {
  readonly descriptor: Descriptor;
  /** Why a read or a write does not block. */
  readonly kind:
    /** A pipe or a terminal, as an open file of this process alone, in non-blocking mode. */
    | "own"
    /** MSG_DONTWAIT */
    | "socket"
    /** Does not wait; of a device poll(2) says that it is ready. */
    | "file"
    /** A pipe that cannot be opened anew: poll(2) has just said that it is ready. */
    | "shared";
}

/**
 * The three standard streams of a caller, by the descriptors that it passed. The caller shares these
 * open files: they are never made non-blocking, and no read or write blocks, whoever else reads and
 * writes them meanwhile.
 */
export class PassedStreams implements Disposable {
  readonly #descriptors: Descriptor[];
  readonly #poller: Watcher;
  /** Those that were used, by number. */
  readonly #used: (Stream | undefined)[] = [];
  /** Why the streams were closed; undefined while they are open. */
  #closed: { reason: unknown } | undefined;
  /** Ends each wait for a descriptor. */
  readonly #waiting = new Set<() => void>();
  /** Resolves when everything passed to {@link write} so far is written, in that order. */
  #written: Promise<void> = Promise.resolve();

  /** @param descriptors standard input, output and error; they are closed with this object */
  constructor(descriptors: readonly Descriptor[], poller: Watcher) {
    this.#descriptors = [...descriptors];
    this.#poller = poller;
  }

  /**
   * Reads standard input to its end, or until more than `limit` bytes have come.
   * @throws {SystemError}
   * @throws what the streams were closed for
   */
  async readInput(limit: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for (let size = 0; size <= limit;) {
      const chunk = await this.#transfer(0, "read", read);
      if (chunk.length === 0) break;
      chunks.push(chunk);
      size += chunk.length;
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
    for (let done = 0; done < bytes.length;) {
      done += await this.#transfer(stream, "write", (into) => {
        // As much as there is room for, so that nearly every answer arrives whole or not at all, should this
        // process be killed. Not on standard error, whose pipe other processes write to, too.
        const isAll = stream === 1 && into.kind !== "shared";
        return write(into, bytes.slice(done, isAll ? undefined : done + PIPE_BUF));
      });
    }
  }

  /**
   * Reads or writes once that can be done without waiting.
   * @param attempt does it, and returns what came of it; undefined where it cannot be done now
   */
  async #transfer<T>(
    stream: 0 | 1 | 2,
    readiness: Readiness,
    attempt: (stream: Stream) => T | undefined,
  ): Promise<T> {
    const poll = readiness === "read" ? pollReadable : pollWritable;
    for (let hasWaited = false;;) {
      const its = this.#open(stream);
      const { number } = its.descriptor;
      const mayBlock = its.kind === "file" || its.kind === "shared";
      if (!mayBlock || poll([number], 0).length > 0) {
        const done = attempt(its);
        if (done !== undefined) return done;
        // Somebody else was first, or poll(2) finds room that a write does not.
        if (hasWaited) {
          await sleep(PAUSE_MS);
          hasWaited = false;
          continue; // The streams may have been closed meanwhile, and the number be another's.
        }
      }
      if (poll([number], 0).length === 0) await this.#ready(number, readiness);
      hasWaited = true;
    }
  }

  /** Returns a stream for reading, or for writing. @throws what the streams were closed for */
  #open(stream: 0 | 1 | 2): Stream {
    if (this.#closed) throw this.#reason();
    return this.#used[stream] ??= this.#openAnew(stream);
  }

  /**
   * Opens a pipe or a terminal anew, in non-blocking mode: whoever shares the caller's may read or write
   * between poll(2) and this process, and write(2) to a terminal waits until there is room for all.
   */
  #openAnew(stream: 0 | 1 | 2): Stream {
    const descriptor = this.#descriptors[stream]!;
    const { number } = descriptor;
    const isPipe = pipes().fcntl(number, F_GETPIPE_SZ, 0) > 0;
    if (!isPipe && calls().ioctl(number, TCGETS, new Uint8Array(TERMIOS)) !== 0) {
      const [type, length] = [new Int32Array(1), Uint32Array.of(4)];
      const isSocket = socketOptions().getsockopt(number, SOL_SOCKET, SO_TYPE, type, length) === 0;
      return { descriptor, kind: isSocket ? "socket" : "file" };
    }
    try {
      const flags = (stream === 0 ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY;
      const own = Descriptor.open(`/proc/self/fd/${number}`, flags);
      descriptor[Symbol.dispose]();
      this.#descriptors[stream] = own;
      return { descriptor: own, kind: "own" };
    } catch {
      // Nobody reads from the pipe, or the terminal has been hung up: writing fails, too.
      return { descriptor, kind: "shared" };
    }
  }

  /** Returns why the streams are closed. */
  #reason(): unknown {
    return this.#closed?.reason ?? new Error("the call has ended");
  }

  /** Waits until poll(2) would say that a descriptor is ready. */
  async #ready(descriptor: number, readiness: Readiness): Promise<void> {
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

/** Reads what there is, nothing at the end; undefined where there is nothing yet. */
function read({ descriptor, kind }: Stream): Uint8Array | undefined {
  const { number } = descriptor;
  const { length } = buffer;
  const count = kind === "socket"
    ? sockets().recvfrom(number, buffer, length, MSG_DONTWAIT, null, null)
    : transfers().read(number, buffer, length);
  const size = counted(count, "read");
  // A copy at once: others read into the buffer in their turn.
  return size === undefined ? undefined : buffer.slice(0, size);
}

/** Writes. Returns the number of bytes; undefined where there is no room now. */
function write({ descriptor, kind }: Stream, bytes: Uint8Array<ArrayBuffer>): number | undefined {
  const { number } = descriptor;
  const { length } = bytes;
  const count = kind === "socket"
    ? sockets().sendto(number, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0)
    : transfers().write(number, bytes, length);
  return counted(count, "write");
}

/** Returns the number of bytes that were transferred; undefined where it has to be tried again. */
function counted(result: number | bigint, verb: string): number | undefined {
  const count = Number(result);
  if (count >= 0) return count;
  const errno = runtime.errno();
  if (errno === EAGAIN || errno === EINTR) return undefined;
  throw new SystemError(verb, errno);
}
