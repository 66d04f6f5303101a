import { call } from "./call.ts";
import { fromCaller, underUmask } from "../runtime/caller.ts";
import { cString } from "../runtime/c_string.ts";
import { descriptors } from "./symbols.ts";

/** `fcntl.h`, the values of x86-64 and arm64 alike. */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_APPEND = 0o2000;
/** A terminal that is opened does not become the controlling one of this process. */
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
/** A descriptor that only stands for a path. open(2) */
export const O_PATH = 0o10000000;

/** An open file descriptor, closed when it goes out of scope; closing twice is harmless. */
export class Descriptor implements Disposable {
  #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  /**
   * `open(2)`, never inherited by programs that are started.
   * @param mode permission bits of a file that is created, before the umask
   * @throws {SystemError}
   */
  static open(path: string, flags: number, mode = 0): Descriptor {
    const name = cString(fromCaller(path));
    const { open } = descriptors();
    const attempt = () => call(() => open(name, flags | O_CLOEXEC, mode), () => `open ${path}`);
    return new Descriptor((flags & O_CREAT) === 0 ? attempt() : underUmask(attempt));
  }

  /** The descriptor's number. @throws {Error} once it is closed, for the number may be another's. */
  get number(): number {
    if (this.#number < 0) throw new Error("this descriptor is closed");
    return this.#number;
  }

  [Symbol.dispose](): void {
    if (this.#number < 0) return;
    descriptors().close(this.#number);
    this.#number = -1;
  }
}
