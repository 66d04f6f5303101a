/**
 * Locks between processes: `flock(2)` on a file, as the Go plugins take it, so that both sorts of
 * executables can share a node.
 *
 * @module
 */
import { Deadlines } from "../libc/deadlines.ts";
import { Descriptor, O_CREAT, O_NONBLOCK, O_RDONLY } from "../libc/descriptor.ts";
import { fromCaller, inherit } from "../runtime/caller.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { descriptors } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import { runtime } from "../runtime/mod.ts";
import { currentObserver, type Observation } from "../runtime/observer.ts";
import { type FileId, isSameFile } from "../runtime/same_file.ts";
import { CniError } from "../types/error.ts";

/** `sys/file.h` */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** How long to try before giving up; a container runtime waits longer than this. Milliseconds. */
const DEADLINE_MS = 30_000;
/** The longest pause between two tries. Milliseconds. */
const MAX_PAUSE_MS = 16;

/** Options of taking a lock. */
export interface LockOptions {
  /** Give up after this many milliseconds; 30 seconds when absent. */
  deadlineMs?: number;
  /**
   * Permission bits of a file that is created, before the umask; 0o750, as the Go plugins make it,
   * when absent.
   */
  mode?: number;
  /**
   * False: the file must exist, as a network namespace's must. With true, the default, it is
   * created where there is none.
   */
  create?: boolean;
  /**
   * Programs that the call runs in order to change rules hold the lock too: it lasts until they
   * have ended, also when this process is killed before.
   */
  inherited?: boolean;
}

/**
 * An exclusive lock, held until it goes out of scope or the process ends.
 *
 * A holder waits for no other lock, so that there can be no deadlock. Within this process a lock is
 * given in the order of requests.
 */
export class FileLock implements Disposable {
  readonly #descriptor: Descriptor;
  readonly #turn: Turn;
  readonly #inherited: Disposable | undefined;
  readonly #observation: Observation | undefined;

  private constructor(
    descriptor: Descriptor,
    turn: Turn,
    inherited: boolean,
    observation: Observation | undefined,
  ) {
    this.#descriptor = descriptor;
    this.#turn = turn;
    this.#observation = observation;
    this.#inherited = inherited ? inherit(descriptor.number) : undefined;
  }

  /**
   * Takes the lock, creating its file where there is none.
   * @param path the file; its directory must exist
   * @throws {CniError} code 11 at the deadline, naming the holder; 5 when the
   *   file cannot be opened
   */
  static async acquire(path: string, options: LockOptions = {}): Promise<FileLock> {
    const { deadlineMs = DEADLINE_MS, create = true, mode = 0o750, inherited = false } = options;
    const start = performance.now();
    const deadline = start + deadlineMs;
    const observation = currentObserver()?.begin({ kind: "lock", path });
    const turn = await takeTurn(fromCaller(path), deadlineMs);
    let descriptor: Descriptor | undefined;
    try {
      if (!turn) throw heldTooLong(path, deadlineMs);
      // A FIFO in the place of the file would otherwise have it wait for somebody who writes.
      descriptor = open(path, O_RDONLY | O_NONBLOCK | (create ? O_CREAT : 0), mode);
      for (let pause = 1; !tryLock(descriptor, path); pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
        const left = deadline - performance.now();
        if (left <= 0) throw heldTooLong(path, deadlineMs);
        await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)));
      }
      observation?.note({ waitedMs: performance.now() - start });
      return new FileLock(descriptor, turn, inherited, observation);
    } catch (error) {
      descriptor?.[Symbol.dispose]();
      turn?.[Symbol.dispose]();
      observation?.end(error);
      throw error;
    }
  }

  /** Releases the lock. Repeatable. */
  [Symbol.dispose](): void {
    this.#inherited?.[Symbol.dispose]();
    this.#descriptor[Symbol.dispose]();
    this.#turn[Symbol.dispose]();
    this.#observation?.end();
  }
}

/**
 * The queues of this process, by the path of the lock. A path without a queue has no holder.
 * Without them every waiter would poll, and some would get the lock much later than others.
 */
const queues = new Map<string, (() => void)[]>();

/** How long those in the queues wait. */
const deadlines = new Deadlines();

/** Waits for the turn in the queue, which ends when disposed of; undefined at the deadline. */
async function takeTurn(path: string, deadlineMs: number): Promise<Turn | undefined> {
  const queue = queues.get(path);
  if (!queue) {
    queues.set(path, []);
    return new Turn(path);
  }
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const next = () => {
    inTime();
    resolve(true);
  };
  const inTime = deadlines.add(deadlineMs, () => {
    queue.splice(queue.indexOf(next), 1);
    resolve(false);
  });
  queue.push(next);
  return await promise ? new Turn(path) : undefined;
}

/** The first place in a queue. */
class Turn implements Disposable {
  #isOver = false;

  constructor(readonly path: string) {}

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const next = queues.get(this.path)!.shift();
    if (next) return next();
    queues.delete(this.path);
    // A timer would keep the process from ending.
    if (queues.size === 0) deadlines.rest();
  }
}

function open(path: string, flags: number, mode: number): Descriptor {
  try {
    return Descriptor.open(path, flags, mode);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // A directory can be locked as well as a file, but not be opened to be created.
    if (error.code === "EISDIR") return open(path, O_RDONLY, mode);
    throw CniError.io(`cannot lock ${path}: ${error.message}`);
  }
}

/** Takes the lock if it is free. Returns whether it was. */
function tryLock(descriptor: Descriptor, path: string): boolean {
  if (descriptors().flock(descriptor.number, LOCK_EX | LOCK_NB) === 0) return true;
  const errno = runtime.errno();
  if (errno === errnoNumber("EAGAIN") || errno === errnoNumber("EINTR")) return false;
  throw CniError.io(new SystemError(`lock ${path}`, errno).message);
}

function heldTooLong(path: string, deadlineMs: number): CniError {
  return CniError.tryAgainLater(
    `cannot lock ${path}: it has been held for ${deadlineMs / 1000} s by ${
      holderOf(path) ?? "another process"
    }; try again, or end that process if it hangs`,
  );
}

/** Describes the holder of the lock, from /proc; undefined where it is unknown. */
function holderOf(path: string): string | undefined {
  try {
    const file = runtime.files.stat(path);
    const locks = runtime.files.readText("/proc/locks");
    let pid = findHolder(locks, file.dev, file.ino);
    // The process that took it may be gone, while a program that it started still holds it.
    if (pid && !commandOf(pid)) pid = findHeir(file) ?? pid;
    return pid && `process ${pid}${commandOf(pid)}`;
  } catch {
    // Not permitted, or /proc is not mounted: the error then does not name the holder.
    return undefined;
  }
}

/** A process that holds the lock on a file by a descriptor that it inherited. */
function findHeir(locked: FileId): string | undefined {
  const { files } = runtime;
  const isHeir = (pid: string) => {
    try {
      return files.list(`/proc/${pid}/fd`).some((descriptor) => {
        return isSameFile(files.stat(`/proc/${pid}/fd/${descriptor}`), locked) &&
          files.readText(`/proc/${pid}/fdinfo/${descriptor}`).includes("FLOCK");
      });
    } catch {
      return false; // It has ended in the meantime.
    }
  };
  return files.list("/proc").find((name) => /^\d+$/.test(name) && isHeir(name));
}

/**
 * Finds the process that holds a `flock` on a file.
 * @param locks the text of /proc/locks: `1: FLOCK  ADVISORY  WRITE 312 08:01:5423 0 EOF`, device
 *   numbers in hexadecimal; proc_locks(5)
 * @param dev the file's device as `stat(2)` gives it
 */
export function findHolder(locks: string, dev: number, ino: number): string | undefined {
  const major = Math.floor(dev / 256) % 4096;
  const minor = (dev % 256) + Math.floor(dev / 2 ** 20) * 256;
  const hex = (number: number) => number.toString(16).padStart(2, "0");
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  for (const line of locks.split("\n")) {
    const [, kind, , , pid, locked] = line.trim().split(/\s+/);
    if (kind === "FLOCK" && locked === file) return pid;
  }
  return undefined;
}

function commandOf(pid: string): string {
  try {
    const command = runtime.files.readText(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
    return command === "" ? "" : ` (${command})`;
  } catch {
    return "";
  }
}
