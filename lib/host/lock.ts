/**
 * Locks between processes: `flock(2)` on a file, as the Go plugins take it, so that both sorts of
 * executables can share a node.
 *
 * @module
 */
import { Descriptor, O_CREAT, O_RDONLY } from "../libc/descriptor.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { descriptors } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import { runtime } from "../runtime/mod.ts";
import { sleepSync } from "../runtime/sleep.ts";
import { CniError } from "../types/error.ts";

/** `sys/file.h` */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** How long to try before giving up; a container runtime waits longer than this. Milliseconds. */
const DEADLINE_MS = 30_000;
/** The longest pause between two tries. Milliseconds. */
const MAX_PAUSE_MS = 16;

/** How to wait for a lock. */
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
}

/** An exclusive lock, held until it goes out of scope or the process ends. */
export class FileLock implements Disposable {
  readonly #descriptor: Descriptor;

  private constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
  }

  /**
   * Takes the lock, creating its file where there is none. The thread waits: with a lock half
   * taken nothing else should happen.
   * @param path the file; its directory must exist
   * @throws {CniError} code 11 when somebody else holds it all the time, naming who; 5 when the
   *   file cannot be opened
   */
  static acquire(path: string, options: LockOptions = {}): FileLock {
    const tries = FileLock.#tries(path, options);
    for (let step = tries.next();; step = tries.next()) {
      if (step.done) return step.value;
      sleepSync(step.value);
    }
  }

  /**
   * As {@link acquire}, but without stopping the thread: for a lock that is held over an `await`,
   * where the holder may be this very process.
   * @throws as {@link acquire}
   */
  static async wait(path: string, options: LockOptions = {}): Promise<FileLock> {
    const tries = FileLock.#tries(path, options);
    for (let step = tries.next();; step = tries.next()) {
      if (step.done) return step.value;
      const pause = step.value;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Tries until it has the lock; yields how many milliseconds to pause before the next time. */
  static *#tries(path: string, options: LockOptions): Generator<number, FileLock> {
    const { deadlineMs = DEADLINE_MS, create = true, mode = 0o750 } = options;
    const descriptor = open(path, O_RDONLY | (create ? O_CREAT : 0), mode);
    const deadline = performance.now() + deadlineMs;
    try {
      for (let pause = 1; !tryLock(descriptor, path); pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
        const left = deadline - performance.now();
        if (left <= 0) throw heldTooLong(path, deadlineMs);
        yield Math.min(pause, left);
      }
    } catch (error) {
      descriptor[Symbol.dispose]();
      throw error;
    }
    return new FileLock(descriptor);
  }

  /** Lets go; doing so twice is harmless. */
  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

function open(path: string, flags: number, mode: number): Descriptor {
  try {
    return Descriptor.open(path, flags, mode);
  } catch (error) {
    if (error instanceof SystemError) throw CniError.io(`cannot lock ${path}: ${error.message}`);
    throw error;
  }
}

/** Whether the lock was free. */
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

/** Who holds the lock, from /proc/locks; undefined where that says nothing. */
function holderOf(path: string): string | undefined {
  try {
    const { dev, ino } = runtime.files.stat(path);
    const pid = findHolder(runtime.files.readText("/proc/locks"), dev, ino);
    return pid && `process ${pid}${commandOf(pid)}`;
  } catch {
    // Not permitted, or /proc is not mounted: an error message is all that suffers.
    return undefined;
  }
}

/**
 * The process that holds a `flock` on a file.
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
