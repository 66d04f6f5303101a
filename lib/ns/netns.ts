/**
 * Network namespaces as objects. A namespace is a handle, not a mode: open a socket inside it and
 * work from outside. What must happen inside (a sysctl, opening the socket) is a synchronous
 * callback given to {@link NetNs.run}.
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { Descriptor, O_NONBLOCK, O_RDONLY } from "../libc/descriptor.ts";
import { descriptors, namespaces } from "../libc/symbols.ts";
import { SystemError } from "../libc/system_error.ts";
import { runtime } from "../runtime/mod.ts";
import { type FileId, isSameFile } from "../runtime/same_file.ts";
import { CniError } from "../types/error.ts";

/** `linux/sched.h` */
export const CLONE_NEWNET = 0x40000000;
/** `linux/nsfs.h`: which kind of namespace a descriptor refers to. */
const NS_GET_NSTYPE = 0xb703;

/** The calling thread's own namespace. Not `/proc/self`, which is the process's first thread. */
const OWN = "/proc/thread-self/ns/net";

/**
 * The namespace that the process's first thread was in when it first entered another one, or since
 * {@link keepNamespace}. Kept open,
 * since it goes back to the same one every time, and opening a file of /proc takes as long as entering
 * and leaving. Not for other threads: nobody would close it when they end.
 */
let first: NetNs | undefined;

/** Whether the first thread leaves {@link first} in {@link NetNs.run} only. */
let isKept = false;

/** The namespace that {@link NetNs.run} has the first thread in; never across an `await`. */
let entered: NetNs | undefined;

/**
 * Has the process's first thread, which calls this, stay in its namespace but for {@link NetNs.run}.
 * Nobody need ask the kernel any more where the thread is: a path below /proc/thread-self takes it
 * longer than entering a namespace and leaving it. For a process that serves many calls.
 */
export function keepNamespace(): void {
  first = NetNs.current();
  isKept = true;
}

/** Tells whether the calling thread is in the namespace of {@link keepNamespace}. */
export function isAtHome(): boolean {
  return isKept && entered === undefined;
}

/** Finds the identity of the namespace that the calling thread is in. @throws {Error} with `code` */
export function currentIdentity(): FileId {
  return isKept ? entered ?? first! : runtime.files.stat(OWN);
}

/** What a function run inside a namespace may return: anything but a promise. */
export type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/** One network namespace, kept alive by an open descriptor until it is disposed of. */
export class NetNs implements Disposable {
  readonly #descriptor: Descriptor;
  #file: FileId | undefined;

  private constructor(
    /** The path it was opened by. */
    readonly path: string,
    descriptor: Descriptor,
  ) {
    this.#descriptor = descriptor;
  }

  /** The namespace that the calling thread is in. */
  static current(): NetNs {
    return isAtHome() ? first! : new NetNs(OWN, Descriptor.open(OWN, O_RDONLY));
  }

  /** Device number: with {@link ino} it names the namespace, whatever path leads there. */
  get dev(): number {
    return this.#identity.dev;
  }

  /** Inode number, as in `net:[4026531840]`. */
  get ino(): number {
    return this.#identity.ino;
  }

  get #identity(): FileId {
    return this.#file ??= runtime.files.stat(`/proc/thread-self/fd/${this.descriptor}`);
  }

  /**
   * Opens a namespace by its path, such as `/run/netns/blue` or `/proc/PID/ns/net`.
   * @throws {CniError} code 8 when nothing is there, or what is there is no network namespace
   */
  static open(path: string): NetNs {
    const found = NetNs.#tryOpen(path);
    if (found instanceof NetNs) return found;
    if (found === "something else") {
      throw CniError.invalidNetNs(
        `${JSON.stringify(path)} exists but is not a network namespace; ` +
          "CNI_NETNS must name one, such as /run/netns/NAME or /proc/PID/ns/net",
      );
    }
    throw CniError.invalidNetNs(
      `failed to open netns ${JSON.stringify(path)}: no such file or directory; ` +
        "the container may have ended, or CNI_NETNS names the wrong path",
    );
  }

  /**
   * As {@link NetNs.open}; undefined when the path is empty, nothing is there, or what is there is no
   * network namespace: the file that one was mounted on often stays.
   * @throws {CniError} code 8 when it may not be opened
   */
  static openIfPresent(path: string | undefined): NetNs | undefined {
    const found = NetNs.#tryOpen(path);
    return found === "absent" || found === "something else" ? undefined : found;
  }

  static #tryOpen(path: string | undefined): NetNs | "absent" | "something else" {
    if (!path) return "absent";
    let descriptor: Descriptor;
    try {
      // Not blocking: a path that turns out to be a FIFO must not hang us.
      descriptor = Descriptor.open(path, O_RDONLY | O_NONBLOCK);
    } catch (error) {
      if (error instanceof SystemError) {
        if (["ENOENT", "ENOTDIR", "ESRCH"].includes(error.code)) return "absent";
        // A socket, a device without driver, links that lead nowhere, a name that none can have.
        if (["ENXIO", "ENODEV", "ELOOP", "ENAMETOOLONG"].includes(error.code)) {
          return "something else";
        }
        throw CniError.invalidNetNs(`failed to open netns: ${error.message}`);
      }
      throw error;
    }
    if (descriptors().ioctl(descriptor.number, NS_GET_NSTYPE, null) !== CLONE_NEWNET) {
      descriptor[Symbol.dispose]();
      return "something else";
    }
    return new NetNs(path, descriptor);
  }

  /** The open descriptor, for netlink attributes that place a link into this namespace. */
  get descriptor(): number {
    return this.#descriptor.number;
  }

  /** Whether both are the same namespace. */
  is(other: { readonly dev: number; readonly ino: number }): boolean {
    return isSameFile(this, other);
  }

  /**
   * Runs `inside` with the calling thread in this namespace, and puts the thread back.
   *
   * `inside` may not return a promise: what awaits would go on after the thread is back, and
   * anything else that runs meanwhile would be in the wrong namespace.
   * @throws {CniError} code 999 without the privilege to enter (CAP_SYS_ADMIN)
   */
  run<T>(inside: () => Synchronous<T>): T {
    const own = currentIdentity();
    if (this.is(own)) return inside();
    if (isFirstThread()) first ??= NetNs.current();
    const outer = entered;
    using other = outer || first?.is(own) ? undefined : NetNs.current();
    const back = outer ?? other ?? first!;
    enterByDescriptor(this.descriptor, this.path);
    if (isKept) entered = this;
    try {
      return inside();
    } finally {
      entered = outer;
      leaveTo(back);
    }
  }

  /**
   * Closes the descriptor, but for that of {@link keepNamespace}; the namespace stays as long as a
   * mount, process or socket holds it.
   */
  [Symbol.dispose](): void {
    if (this !== first) this.#descriptor[Symbol.dispose]();
  }
}

/**
 * Puts the calling thread into a namespace, for good. For threads that have one purpose; anything
 * else uses {@link NetNs.run}.
 * @param path names the namespace in an error
 * @throws {CniError} code 999 without the privilege
 */
export function enterByDescriptor(descriptor: number, path: string): void {
  const { setns } = namespaces();
  try {
    call(() => setns(descriptor, CLONE_NEWNET), () => `enter network namespace ${path}`);
  } catch (error) {
    if (error instanceof SystemError && error.code === "EPERM") {
      throw CniError.internal(`${error.message}; run as root, or with CAP_SYS_ADMIN`);
    }
    throw error;
  }
}

/** What {@link isFirstThread} has found out. */
let isFirst: boolean | undefined;

function isFirstThread(): boolean {
  const { pid } = runtime;
  return isFirst ??= runtime.files.readLink("/proc/thread-self") === `${pid}/task/${pid}`;
}

/** Puts the thread back; a thread that cannot be put back must not go on. */
export function leaveTo(home: NetNs): void {
  try {
    enterByDescriptor(home.descriptor, home.path);
  } catch (error) {
    runtime.write(2, `cannot return to the host's network namespace, giving up: ${error}\n`);
    runtime.exit(70);
  }
}
