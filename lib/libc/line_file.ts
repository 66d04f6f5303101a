import { call } from "./call.ts";
import { Descriptor, O_APPEND, O_NONBLOCK, O_WRONLY } from "./descriptor.ts";
import { transfers } from "./symbols.ts";

/**
 * A file that lines are appended to, by several processes at the same time: a line is one write at
 * the file's end, so lines do not mix. Nothing waits: a pipe without a reader is an error at once,
 * and so is one that is full.
 */
export class LineFile implements Disposable {
  readonly #path: string;
  readonly #descriptor: Descriptor;

  private constructor(path: string, descriptor: Descriptor) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /**
   * Opens a file. @param flags O_CREAT: makes it, with mode 0600, where there is none
   * @throws {SystemError} ENXIO for a pipe that nobody reads
   */
  static open(path: string, flags = 0): LineFile {
    const all = O_WRONLY | O_APPEND | O_NONBLOCK | flags;
    return new LineFile(path, Descriptor.open(path, all, 0o600));
  }

  /** The file's descriptor, for programs to inherit. */
  get descriptor(): number {
    return this.#descriptor.number;
  }

  /** Appends a line. @throws {SystemError} @throws {Error} where only a part of it was written */
  append(line: string): void {
    const bytes = new TextEncoder().encode(`${line}\n`);
    const { number } = this.#descriptor;
    const { write } = transfers();
    const written = call(() => write(number, bytes, bytes.length), () => `write to ${this.#path}`);
    if (written < bytes.length) throw new Error(`only part of a line fitted into ${this.#path}`);
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}
